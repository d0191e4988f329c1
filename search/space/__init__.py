"""Design spaces: which networks there are to choose from, as data in a YAML file.

    SETUP:
      NUM_SAMPLES: 1000000      # candidates drawn at most; a grid of no more is enumerated instead
      NUM_CONFIGS: 0            # feasible candidates wanted, 0 for all that are found
      CHUNK_SIZE: 5000          # candidates drawn from one random stream
      RNG_SEED: 0
      BASE_CFG: {}              # a network config: nested keys, a path, or the name of a shipped network
      SAMPLERS:                 # dotted key -> sampler
        REGNET: {TYPE: regnet_sampler, DEPTH: [12, 28]}
        REGNET.STEM_W: {TYPE: int_sampler, RAND_TYPE: log_uniform, RANGE: [16, 64], QUANTIZE: 8}
        REGNET.SE_ON: {TYPE: value_sampler, VALUES: [true, false]}
        TRAIN.IM_SIZE: {TYPE: grid_sampler, RANGE: [128, 256], STEP: 32}
      CONSTRAINTS:
        CX:                     # [low, high], 0 leaves a side open
          MACS: [0, 0]          # of a call, as BYTES
          FLOPS: [0, 400e6]     # as pycls counts: MACs of convolution and linear layers, bias adds included
          PARAMS: [0, 0]
          ACTS: [0, 0]          # as pycls counts: with the outputs of max-pools
          BYTES: [0, 0]         # memory traffic
          PEAK_MEMORY: [0, 0]
          INTENSITY: [0, 0]     # FLOP/byte
          LATENCY_MS: {t4: [0, 5]}
        LIMITS: [latency_ms@t4 <= 5 at 90%]     # in words, as in studies: see `search.space.expressions`
        REGNET: {NUM_STAGES: [4, 4]}    # no skipped width level either; [0, 0] allows any number

Sweep files of pycls load as they are; their other sections are ignored. `grid_sampler`, `ITEM_SAMPLERS`,
NUM_STAGES [0, 0], LIMITS, MACS, BYTES, PEAK_MEMORY, INTENSITY, LATENCY_MS and text in BASE_CFG are ours.

The stream of candidates depends on the file alone: whoever draws chunk i, it comes from
SeedSequence(RNG_SEED, spawn_key=(i,)).
"""

from __future__ import annotations

from .files import load_space, space_of
from .limits import Limit, Miss, Tally, judge
from .samplers import Choice, Entries, Number, Sampler
from .space import Chunk, Space

__all__ = [
    "Choice",
    "Chunk",
    "Entries",
    "Limit",
    "Miss",
    "Number",
    "Sampler",
    "Space",
    "Tally",
    "judge",
    "load_space",
    "space_of",
]
