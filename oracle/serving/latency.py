"""Time to first token, time per output token and throughput of a decoder that an inference engine serves.

The state is that of a closed loop: `concurrency` requests of `input_tokens` and `output_tokens` are always in flight, a
new one coming as soon as one is done. All that follows is of its mean step, with `running` = min(concurrency, what the
cache holds) sequences that have `input_tokens + output_tokens / 2` tokens behind them.

A sequence makes a token per step, so a step meets (running - 1) / output_tokens prompts of others. An engine that mixes
reads prompts beside the decoding sequences and pays what the step takes longer; one that does not stops these for them:

    TPOT = decode + (1 - burst) * prompts + (running - 1) / output * burst / 2 * packed + host + sequence * running
    TTFT = request + waited * TPOT + (decode + prompt) * (1 + queue * in_step * (1 - 1 / running))
           + burst * (running - 1) / 2 * packed + (concurrency - running) / running * output * TPOT

An engine that overlaps has its host prepare a step while the GPU computes the one before: it takes the longer of both,
not the sum (TensorRT-LLM's overlap scheduler, the rule in its PyTorch backend; SGLang's since 0.4; vLLM's asynchronous
scheduling, which its versions measured here had to be asked for).

`in_step` is the share of requests that are of equal lengths. Those that were read one after the other end one after the
other, too, and so do those that follow them: however long outputs are, each finds `queue` prompts before it. An engine
that reads prompts before all else even makes them end at once. Where nobody says the share, TPOT and TTFT are each of
that which was least off under the engine. `burst` is the share of requests that come all at once,
of which one waits for half the others and then, while they are read, decodes nothing that the others would slow down: a
tenth, as load tests start with all places full and measure about ten requests per place, or the engine's value for
those in step. They are read as many to a step as it holds, at `packed` a prompt. Past what the cache holds, requests
wait for a place (Little's law).

Where a step meets 2.3 prompts, seven in ten have two beside them and three in ten have three: products grow by whole
tiles, so that one prompt may cost much and the next nothing. Where it meets less than one, most have none; those that
a step has no room for are read in steps of their own.

Of a prompt, `cached` is the share of tokens whose keys and values are in the cache of prefixes when it comes (vLLM's
automatic prefix caching, SGLang's RadixAttention: arXiv 2312.07104): only the others are read, after them. A sequence
is taken to keep a cache of its own for all of its tokens, as where a prefix is a user's own earlier turns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from oracle._shown import Shown
from oracle.collectives import link_between
from oracle.config import load_cfg
from oracle.devices import Device
from oracle.errors import ConfigError, DeviceError, WorkloadError
from oracle.families import to_spec
from oracle.families.sharding import EXPERTS, Parallel
from oracle.query.devices import find_devices
from oracle.serving.engines import ERRORS, Engine, engine_named, reach_in_engines
from oracle.serving.memory import cache_bytes_per_sequence, cache_bytes_per_token, weight_bytes, working_bytes
from oracle.serving.steps import Formats, Reach, Step, Work, figures_of, work_of
from oracle.spec import QUANTISED_WEIGHTS, NetSpec
from oracle.tiling import CLOCK_HZ

if TYPE_CHECKING:
    from oracle.config import CfgNode

_LARGEST = 2**20
_START = 0.1  # share of a load test's requests that come when it starts


class Mix(NamedTuple):
    """Tokens in and out of a request, requests in flight, and the share of a prompt in the cache of prefixes."""

    input_tokens: int
    output_tokens: int
    concurrency: int
    cached: float = 0.0

    @property
    def cached_tokens(self) -> int:
        """Tokens of a prompt that need not be read; one is, for its scores are those of the first token."""
        return min(round(self.input_tokens * self.cached), self.input_tokens - 1)

    def met(self, running: float) -> float:
        """Prompts of others that come during a step, where so many sequences run."""
        return (running - 1.0) / self.output_tokens


class Steps(NamedTuple):
    """The steps that a mix is made of, on one GPU: of one group of data parallelism.

    Attributes:
        running: sequences of the group.
        decode: a step without prompts.
        mixed: a step with pieces of prompts beside.
        fuller: a step with one piece more, if it may hold that.
        prompt: a step of such a piece alone.
        packed: a step of as many such pieces as it may hold, or as there are sequences.
        pieces: of a prompt, not a whole number where the last is a part of one.
        beside: pieces in a mixed step: as many as it meets, rounded down, but one.
        together: pieces in a packed step, which is the most.
    """

    running: int
    decode: Work
    mixed: Work
    fuller: Work
    prompt: Work
    packed: Work
    pieces: float
    beside: int
    together: int


class Seconds(NamedTuple):
    """Of each of `Steps`."""

    decode: float
    mixed: float
    fuller: float
    prompt: float
    packed: float


@dataclass(frozen=True, slots=True)
class ServingPoint:
    """What users see at one concurrency.

    Attributes:
        concurrency: requests in flight.
        running: those that the cache has room for at once, on average.
        ttft_ms: from a request to its first token, mean.
        tpot_ms: between further tokens of a request, mean.
        tokens_per_s: output tokens of all users.
        tokens_per_s_per_gpu: the same, per GPU.
        tokens_per_s_per_user: output tokens of one, once they come.
        decode_ms: a step without prompts, host included.
        prefill_ms: the kernels of one prompt, alone.
    """

    concurrency: int
    running: int
    ttft_ms: float
    tpot_ms: float
    tokens_per_s: float
    tokens_per_s_per_gpu: float
    tokens_per_s_per_user: float
    decode_ms: float
    prefill_ms: float


@dataclass(frozen=True, slots=True)
class Serving(Shown):
    """A decoder served by an engine on GPUs of a kind.

    Attributes:
        network, device, engine: names.
        input_tokens: tokens of every prompt.
        output_tokens: tokens of every answer.
        parallel, weights, kv: how GPUs share it, and what weights and the cache are stored in.
        in_step: the share of requests that are of equal lengths; None if nobody said.
        cached: the share of a prompt's tokens that are in the cache of prefixes.
        weight_bytes: of one GPU; of a pipeline whose parts differ the most that one has, and so the next.
        kv_bytes_per_token: what a token of one sequence takes in the caches of all layers of one GPU.
        kv_cache_bytes: what a request has there when it ends: pages of all of its tokens, or of a window's, and states.
        capacity: requests that the caches of all GPUs hold at once.
        points: one per concurrency.
        expected_error: TPOT, TTFT -> mean relative error on rows of networks that the fit had not seen, dense ones or
            mixtures of experts as this one, and where `in_step` was said or not, as here; TPOT_MEDIAN, TTFT_MEDIAN ->
            the median.
        source: on what that was found.
    """

    network: str
    device: str
    engine: str
    input_tokens: int
    output_tokens: int
    parallel: Parallel
    weights: str
    kv: str
    in_step: float | None
    cached: float
    weight_bytes: int
    kv_bytes_per_token: int
    kv_cache_bytes: int
    capacity: int
    points: tuple[ServingPoint, ...]
    expected_error: dict[str, float]
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def serve_latency(
    network: CfgNode | str | Path,
    device: Device | str | Path,
    *,
    input_tokens: int,
    output_tokens: int,
    concurrency: int | Iterable[int] = 1,
    engine: str = "vllm",
    tp: int | None = None,
    pp: int | None = None,
    ep: int | None = None,
    dp: int = 1,
    weights: str | None = None,
    kv: str | None = None,
    in_step: float | None = None,
    cached: float = 0.0,
) -> Serving:
    """Time to first token, time per output token and tokens per second of a served decoder.

    Args:
        network: config of a decoder, by name, path or node.
        device: the kind of GPU, by name, path or device.
        input_tokens: tokens of every prompt.
        output_tokens: tokens of every answer.
        concurrency: requests in flight, one number or several.
        engine: vllm, tensorrt-llm or sglang.
        tp: GPUs that cut every layer (tensor parallel).
        pp: stages of layers (pipeline parallel).
        ep: GPUs that share out the experts (expert parallel). Of these three COST.PARALLEL's if absent.
        dp: groups of GPUs that each attend to requests of their own (data parallel attention).
        weights: what the weights of layers are stored in: bfloat16, float8, int8, int4 or float4; bfloat16 if absent,
            or COST.WEIGHTS where that is narrower.
        kv: what the cache is stored in, bfloat16 or float8; what the engine takes for such weights if absent, or
            COST.KV_DTYPE.
        in_step: the share of requests that are of equal lengths, from 0 to 1: 1 for a load test of such requests, 0 for
            users, or a test that draws lengths at random, of which these are the means. If absent, TPOT and TTFT are
            each of the share that was least off under the engine over measured loads of both kinds.
        cached: the share of a prompt's tokens that are in the cache of prefixes when it comes, from 0 to 1.

    Returns:
        Points per concurrency, with the error that the engine's values showed.

    Raises:
        ConfigError: no decoder, one that so many GPUs cannot share, or a word that there is not.
        WorkloadError: tokens, concurrency, in_step or cached out of range.
        DeviceError: the device states no peak, memory or link that is needed; weights that its memory does not hold.

    Examples:
        >>> import oracle
        >>> served = oracle.serve_latency(
        ...     "Llama-3.1-8B", "h100-sxm", input_tokens=1024, output_tokens=256, concurrency=[1, 16]
        ... )
        >>> one, many = served.points
        >>> one.tpot_ms < many.tpot_ms < many.ttft_ms
        True
    """
    cfg = network if not isinstance(network, (str, Path)) else load_cfg(network)
    place = find_devices([device])[0]
    one = isinstance(concurrency, str) or not isinstance(concurrency, Iterable)
    requested: list[Any] = [concurrency] if one else [*concurrency]  # type: ignore[misc]
    for name, values in (
        ("input_tokens", [input_tokens]),
        ("output_tokens", [output_tokens]),
        ("concurrency", requested),
    ):
        for value in values:
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= _LARGEST:
                raise WorkloadError(f"{name}={value!r}: expected a whole number from 1 to {_LARGEST}")
    if not requested:
        raise WorkloadError("concurrency: expected at least one number")
    served_by = engine_named(engine)
    for name, share in (("in_step", 0.0 if in_step is None else in_step), ("cached", cached)):
        if isinstance(share, bool) or not isinstance(share, Real) or not 0.0 <= share <= 1.0:
            raise WorkloadError(f"{name}={share!r}: expected a share, from 0 to 1")
    stated = cfg.COST.PARALLEL
    given = ((tp, "TP"), (pp, "PP"), (ep, "EP"))
    tp, pp, ep = (int(stated[name]) if value is None else value for value, name in given)
    parallel = Parallel(tp, pp, ep, dp)
    formats = formats_of(cfg, served_by, weights, kv)
    served = Served(cfg, place, served_by, parallel, formats)
    longest = min(filter(None, (cfg.DECODER.POSITIONS, cfg.DECODER.CONTEXT)), default=2 * _LARGEST)
    if input_tokens + output_tokens > longest:
        asked = f"input_tokens={input_tokens}, output_tokens={output_tokens}"
        raise WorkloadError(f"{asked}: expected at most {longest} together, as many as the network takes of a sequence")
    reach, _ = reach_in_engines()
    points = []
    for count in requested:
        mix = Mix(input_tokens, output_tokens, count, cached)
        parts = [served.steps(mix, part) for part in range(pp)]
        each = [served.seconds(steps, reach) for steps in parts]
        slowest = Seconds(*map(max, zip(*each, strict=True)))
        points.append(_point(served, mix, parts[0], slowest, in_step))
    return Serving(
        network=str(cfg.COST.NAME) or str(network),
        device=place.name,
        engine=engine,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        parallel=parallel,
        weights=formats.weights,
        kv=formats.kv,
        in_step=in_step,
        cached=cached,
        weight_bytes=served.weight_bytes,
        kv_bytes_per_token=served.token_bytes,
        kv_cache_bytes=max(served.cache_bytes(input_tokens + output_tokens, part) for part in range(pp)),
        capacity=served.capacity(Mix(input_tokens, output_tokens, 1)) * parallel.dp,
        points=tuple(points),
        expected_error=served.expected_error(load_said=in_step is not None),
        source=f"{served_by.origin.source}; {served_by.origin.protocol}",
    )


def formats_of(cfg: CfgNode, engine: Engine, weights: str | None, kv: str | None) -> Formats:
    """What is stored in what: as requested, or as a config and an engine have it."""
    stored = weights or (cfg.COST.WEIGHTS if cfg.COST.WEIGHTS in QUANTISED_WEIGHTS else "bfloat16")
    usual = "float8" if cfg.COST.KV_DTYPE or (engine.kv_float8 and stored != "bfloat16") else "bfloat16"
    return Formats(stored, kv or usual)


class Served:
    """A decoder on GPUs under an engine: what a mix asks of them.

    Args:
        cfg: of the decoder.
        device: the kind of GPU.
        engine, parallel, formats: how it is served.

    Raises:
        ConfigError, DeviceError: as `serve_latency`.
    """

    def __init__(self, cfg: CfgNode, device: Device, engine: Engine, parallel: Parallel, formats: Formats) -> None:
        self.cfg = cfg
        self.device = device
        self.engine = engine
        self.parallel = parallel
        self.formats = formats
        if cfg.MODEL.TYPE != "decoder":
            raise ConfigError(f"MODEL.TYPE={cfg.MODEL.TYPE!r}: expected a decoder, which can be served token by token")
        self._nets = lru_cache(maxsize=64)(self._net)
        net = self._nets("decode", 1, 1)
        mixed = any(cell.kind in EXPERTS for cell in net.cells)
        self._kind = "EXPERTS_" if mixed else "DENSE_"
        each = range(parallel.pp)
        weights = [weight_bytes(net, parallel, formats, part) for part in each]
        working = [working_bytes(net, parallel, engine.chunk_tokens, part) for part in each]
        self.weight_bytes = max(weights)
        self.token_bytes = max(cache_bytes_per_token(net, parallel, part) for part in each)
        if device.memory is None:
            raise DeviceError(f"device={device.name!r} states no memory size; add MEMORY_GIB to a device file")
        self._figures = figures_of(device, formats)
        of_all, of_free = (1.0, engine.memory_share) if engine.share_of_free else (engine.memory_share, 1.0)
        room = device.memory.value * of_all
        self._free_bytes = [(room - own - more) * of_free for own, more in zip(weights, working, strict=True)]
        least = min(each, key=self._free_bytes.__getitem__)
        if self._free_bytes[least] <= 0:
            raise DeviceError(
                f"device={device.name!r}: {weights[least] / 2**30:.1f} GiB of weights and"
                f" {working[least] / 2**30:.1f} GiB to work with leave nothing of {of_all:.0%} of"
                f" {device.memory.value / 2**30:.0f} GiB for a cache; share the network among more GPUs"
            )

    def _net(self, phase: str, tokens: int, past: int) -> NetSpec:
        cfg = self.cfg.clone()
        kv = "float8" if self.formats.kv == "float8" else ""
        values = {"PHASE": phase, "PROMPT": tokens, "PAST": past, "KV_DTYPE": kv, "MODE": "inference", "LOGITS": "last"}
        for key, value in values.items():
            cfg.COST[key] = value
        for name in cfg.COST.PARALLEL:
            cfg.COST.PARALLEL[name] = 1  # shards are made here
        return to_spec(cfg)

    def expected_error(self, load_said: bool) -> dict[str, float]:
        """By name, as `Serving` has it; where a question says how many requests are in step, or does not."""
        kind = self._kind if load_said else f"DEFAULT_{self._kind}"
        return {name: self.engine.origin.error[kind + name] for name in ERRORS}

    def cache_bytes(self, tokens: int, part: int = 0) -> int:
        """Of one GPU, for a sequence of so many tokens."""
        return cache_bytes_per_sequence(self._nets("decode", 1, max(tokens - 1, 1)), self.parallel, part)

    def capacity(self, mix: Mix) -> int:
        """Sequences of one group that its caches hold at once, those of every part of a pipeline; at least one."""
        kept = mix.input_tokens + math.ceil(mix.output_tokens * self.engine.output_reserved)
        free = enumerate(self._free_bytes)
        return max(min(int(own / self.cache_bytes(kept, part)) for part, own in free), 1)

    def steps(self, mix: Mix, part: int = 0) -> Steps:
        """The steps of a mix, on a GPU of one part of a pipeline."""
        parallel, chunk = self.parallel, self.engine.chunk_tokens
        running = max(min(math.ceil(mix.concurrency / parallel.dp), self.capacity(mix)), 1)
        batch = math.ceil(running / parallel.pp)  # a pipeline has a batch in each part
        past = mix.input_tokens + mix.output_tokens // 2
        own = mix.input_tokens - mix.cached_tokens
        tokens = min(own, chunk)
        behind = mix.cached_tokens + (own - tokens) // 2
        decode, prefill = self._nets("decode", 1, past), self._nets("prefill", tokens, behind)
        together = min(chunk // tokens, running)
        beside = min(max(int(mix.met(running) * own / tokens), 1), together)
        requested = [Step(batch, past)]
        requested += [Step(batch, past, some, tokens, behind) for some in (beside, min(beside + 1, together))]
        requested += [Step(0, past, some, tokens, behind) for some in (1, together)]
        works = (work_of(decode, prefill, step, parallel, self.formats, part) for step in requested)
        decoding, mixed, fuller, prompt, packed = works
        return Steps(running, decoding, mixed, fuller, prompt, packed, own / tokens, beside, together)

    def seconds(self, steps: Steps, reach: Reach) -> Seconds:
        """Of each step, through all parts of a pipeline."""
        return Seconds(
            *(
                float(reach.seconds(work.kernels, self._figures) @ work.kernels.counts) * self.parallel.pp
                + self.sending_s(work, reach.reduce)
                for work in (steps.decode, steps.mixed, steps.fuller, steps.prompt, steps.packed)
            )
        )

    def sending_s(self, work: Work, reduce: float) -> float:
        """Seconds of the collectives of a step, and of the way from part to part of a pipeline."""
        found = 0.0
        for count, operation, message, ranks, _ in work.collectives:
            link, bandwidth = link_between(self.device, self.parallel.gpus if ranks > 1 else ranks)
            clock = self.device.clock.value if self.device.clock else CLOCK_HZ
            seconds = float(link.seconds(operation, message, ranks, bandwidth, clock))
            if operation == "all_reduce":
                seconds -= (1.0 - reduce) * float(link.seconds(operation, 0.0, ranks, bandwidth, clock))
            found += count * seconds * self.parallel.pp
        return found


def _point(served: Served, mix: Mix, steps: Steps, seconds: Seconds, in_step: float | None) -> ServingPoint:
    engine, parallel = served.engine, served.parallel
    tpot_s, ttft_s, waiting_s = latencies(engine, mix, steps, seconds, in_step, parallel.dp)
    running = min(steps.running * parallel.dp, mix.concurrency)
    # Of one share, TPOT's: no load has the TTFT of one and the TPOT of another.
    share = engine.in_step_tpot if in_step is None else in_step
    first_s = latencies(engine, mix, steps, seconds, share, parallel.dp)[1]
    request_s = first_s - waiting_s + (mix.output_tokens - 1) * tpot_s
    rate = running * mix.output_tokens / request_s
    return ServingPoint(
        concurrency=mix.concurrency,
        running=running,
        ttft_ms=ttft_s * 1e3,
        tpot_ms=tpot_s * 1e3,
        tokens_per_s=rate,
        tokens_per_s_per_gpu=rate / parallel.gpus,
        tokens_per_s_per_user=1.0 / tpot_s,
        decode_ms=engine.paced_s(seconds.decode, steps.running) * 1e3,
        prefill_ms=seconds.prompt * steps.pieces * 1e3,
    )


def latencies(
    engine: Engine, mix: Mix, steps: Steps, seconds: Seconds, in_step: float | None, groups: int = 1
) -> tuple[float, float, float]:
    """TPOT and TTFT of a mix, and of the latter what requests wait for a place in the cache; see the module."""
    running = float(steps.running)
    shares = (engine.in_step_tpot, engine.in_step_ttft) if in_step is None else (in_step, in_step)
    burst, first_burst = (_START + (engine.burst - _START) * share for share in shares)
    met = mix.met(running)
    prompt_s, packed_s = seconds.prompt * steps.pieces, seconds.packed * steps.pieces / steps.together
    prompts_s = _beside_s(steps, seconds, met * steps.pieces) if engine.mixes else met * prompt_s
    read_s = (1.0 - burst) * prompts_s + met * burst / 2.0 * packed_s
    tpot_s = engine.paced_s(seconds.decode + read_s, running)
    first_s = engine.request_s + engine.steps_waited * tpot_s
    first_s += (seconds.decode + prompt_s) * (1.0 + engine.queue * shares[1] * (1.0 - 1.0 / running))
    first_s += first_burst * (running - 1.0) / 2.0 * packed_s
    waiting = max(mix.concurrency / groups - running, 0.0)
    waiting_s = waiting / running * mix.output_tokens * tpot_s
    return tpot_s, first_s + waiting_s, waiting_s


def _beside_s(steps: Steps, seconds: Seconds, pieces: float) -> float:
    """Seconds by which so many pieces of prompts, on average, make a step longer that they are mixed into."""
    mixed_s = seconds.mixed - seconds.decode
    more = pieces - steps.beside
    if more <= 0.0:
        return mixed_s * pieces / steps.beside
    one_s = seconds.packed / steps.together if steps.beside == steps.together else seconds.fuller - seconds.mixed
    return mixed_s + more * one_s
