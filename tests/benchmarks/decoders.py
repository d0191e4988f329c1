"""What transformers' own modules of decoders have and compute: python tests/benchmarks/decoders.py [NAME ...] [--write].

Builds each on meta from the `config` that `tests/oracle/families/truths/decoders.json` holds, without weights, and counts
under torch's FlopCounterMode, which has no formula for the products of experts (`aten._grouped_mm`): a prompt of 64 and of 700
tokens, and the token after 100 and after 700 (with the cache of transformers); of those that choose 2,048 keys, 2,500 and
after these as well. Prints ours beside it, and with --write
keeps theirs for the tests. Needs transformers (5.24.0 made what is there) and torch 2.13 or later.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import DynamicCache

TRUTHS = Path(__file__).resolve().parents[1] / "oracle" / "families" / "truths" / "decoders.json"
CALLS = ((1, 64, 0), (1, 700, 0), (2, 1, 100), (2, 1, 700))
"""Sequences, tokens of each, and tokens before them."""
SPARSE_CALLS = ((1, 2500, 0), (2, 1, 2500))
_WITHOUT_SDPA = ("gemma2", "gpt_oss")


def truth(config: dict[str, Any]) -> dict[str, Any]:
    """Parameters, and MACs of each call."""
    plain = {key: value for key, value in config.items() if key not in ("model_type", "torch_dtype")}
    found = AutoConfig.for_model(config["model_type"], **plain)
    found._attn_implementation = "eager" if config["model_type"] in _WITHOUT_SDPA else "sdpa"
    macs = {}
    with torch.no_grad(), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(found, dtype=torch.bfloat16).eval()
        for batch, tokens, past in CALLS + SPARSE_CALLS * ("index_topk" in config):
            cache = DynamicCache(config=found)
            words = {"past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
            if past:
                model(torch.zeros(batch, past, dtype=torch.long), **words)
            with FlopCounterMode(display=False) as counter:
                model(torch.zeros(batch, tokens, dtype=torch.long), **words)
            macs[f"{batch}x{tokens}+{past}"] = counter.get_total_flops() // 2
    return {"params": sum(parameter.numel() for parameter in model.parameters()), "macs": macs}


def main() -> int:
    """Print theirs, name by name, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", action="store_true", help="keep what was found")
    arguments = parser.parse_args()
    kept = json.loads(TRUTHS.read_text(encoding="utf-8"))
    different = 0
    for name in arguments.names or kept:
        found = truth(kept[name]["config"])
        same = all(kept[name].get(key) == value for key, value in found.items())
        different += not same
        print(f"{name:20s} {found['params']:15,d} {found['macs']} {'as kept' if same else 'NOT as kept'}", flush=True)
        kept[name] |= found
    if arguments.write:
        TRUTHS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 1 if different and not arguments.write else 0


if __name__ == "__main__":
    sys.exit(main())
