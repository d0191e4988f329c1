"""Other people's networks: every operator is known, and torchvision's published MACs are ours."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from oracle.query import Cost, profile
from oracle.sources.building import built

try:
    torchvision: Any = importlib.import_module("torchvision")
except ImportError:
    torchvision = None
try:
    timm: Any = importlib.import_module("timm")
except ImportError:
    timm = None

TORCHVISION = torchvision.models.list_models(module=torchvision.models) if torchvision else ["torchvision"]
# One or two of each family, and every operator they use.
TIMM = """
aimv2_large_patch14_224 beit_base_patch16_224 botnet26t_256 caformer_s18 cait_xxs24_224 coat_lite_tiny coatnet_nano_rw_224
convit_tiny convmixer_768_32 convnext_atto convnextv2_atto crossvit_tiny_240 cspresnet50 davit_tiny deit3_small_patch16_224
deit_tiny_distilled_patch16_224 densenet121 dla34 dm_nfnet_f0 ecaresnet26t edgenext_xx_small efficientformer_l1
efficientformerv2_s0 efficientnetv2_rw_t efficientvit_b0 efficientvit_m0 ese_vovnet19b_dw eva02_tiny_patch14_224 fastvit_t8
focalnet_tiny_srf gcvit_xxtiny ghostnetv2_100 gmlp_s16_224 halonet26t hgnetv2_b0 hiera_tiny_224 hrnet_w18_small
inception_next_atto lambda_resnet26rpt_256 levit_128 levit_conv_128 mambaout_femto maxvit_tiny_tf_224 mixer_b16_224 mixnet_s
mobilenetv3_small_050 mobilenetv4_hybrid_medium mobileone_s0 mobilevit_xxs mobilevitv2_050 nasnetalarge nest_tiny nf_resnet50
nextvit_small pit_ti_224 poolformer_s12 pvt_v2_b0 rdnet_tiny regnety_002 repvgg_a0 repvit_m1 res2net50_26w_4s resmlp_12_224
resnest14d resnetv2_50x1_bit rexnet_100 samvit_base_patch16 selecsls42b sequencer2d_s skresnet18 starnet_s1
swin_tiny_patch4_window7_224 swinv2_cr_tiny_224 swinv2_tiny_window8_256 tf_efficientnetv2_b0 tiny_vit_5m_224 tnt_s_patch16_224
tresnet_m twins_svt_small visformer_tiny vit_base_patch16_siglip_224 vit_small_patch14_reg4_dinov2 vit_tiny_patch16_224
vitamin_small_224 volo_d1_224 xception41 xcit_tiny_12_p16_224
""".split()

needs_torchvision = pytest.mark.skipif(torchvision is None, reason="torchvision is not installed beside this torch")
needs_timm = pytest.mark.skipif(timm is None, reason="timm is not installed")


def check(module: torch.nn.Module, shape: tuple[int, ...], *workloads: dict[str, str]) -> Cost:
    costs = []
    for workload in workloads:
        batch = 2 if workload.get("mode") == "training" else 1  # a batch norm of one value cannot train
        costs.append(profile(module, torch.empty((batch, *shape), device="meta"), strict=True, **workload))
    assert all(cost.unknown == () for cost in costs)
    assert costs[0].params == sum(parameter.numel() for parameter in module.parameters())
    return costs[0]


def on_meta(make: Any, name: str, **options: Any) -> Any:
    module, _ = built(lambda: make(name, **options), name)
    return module


@needs_torchvision
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_counts_what_its_authors_published(name: str) -> None:
    published = next(iter(torchvision.models.get_model_weights(name)))
    crop = published.transforms.keywords["crop_size"]
    options: dict[str, Any] = {"image_size": crop} if name.startswith("vit") else {}
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    module = on_meta(torchvision.models.get_model, name, weights=None, **options)
    cost = check(module, (3, crop, crop), {}, {"runtime": "compiled", "dtype": "float16"}, {"runtime": "engine"})

    assert cost.macs is not None
    assert round(cost.macs / 1e9, 3) == round(published.meta["_ops"], 3)
    if name != "googlenet":  # whose published weights lack the auxiliary heads
        assert cost.params == published.meta["num_params"]


@needs_torchvision
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TORCHVISION[::9])
def test_torchvision_trains(name: str) -> None:
    options: dict[str, Any] = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    module = on_meta(torchvision.models.get_model, name, weights=None, **options)
    check(
        module,
        (3, 299, 299) if name == "inception_v3" else (3, 224, 224),
        {"mode": "training", "dtype": "float16"},
        {"mode": "training", "runtime": "compiled", "optimizer": "adamw"},
    )


@needs_timm
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TIMM)
def test_timm_has_no_unknown_operator(name: str) -> None:
    module = on_meta(timm.create_model, name, pretrained=False)
    check(
        module,
        module.pretrained_cfg["input_size"],
        {"dtype": "float16"},
        {"runtime": "compiled"},
        {"runtime": "engine", "dtype": "bfloat16"},
        {"mode": "training", "dtype": "float16"},
    )
