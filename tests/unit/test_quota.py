"""Does the cluster fit into what the subscription may use?"""

from __future__ import annotations

import pytest

from mlops_tui.clouds.subscriptions import Usage
from mlops_tui.project import ClusterSpec
from mlops_tui.setup import quota


@pytest.mark.parametrize(
    ("size", "vcpus", "family"),
    [
        ("Standard_DS3_v2", 4, "standarddsv2family"),
        ("Standard_D4s_v3", 4, "standarddsv3family"),
        ("Standard_D4ds_v5", 4, "standardddsv5family"),
        ("Standard_E8s_v3", 8, "standardesv3family"),
        ("Standard_F4s", 4, "standardfsfamily"),
        ("Standard_NC6s_v3", 6, "standardncsv3family"),
        ("Standard_DS14_v2", 16, "standarddsv2family"),
        ("local", None, ""),
    ],
)
def test_a_size_tells_its_processors_and_its_quota(size: str, vcpus: int | None, family: str) -> None:
    assert quota.vcpus(size) == vcpus
    assert quota.family(size) == family


def usages(total: int, of_family: int) -> dict[str, Usage]:
    return {
        "cores": Usage("cores", 0, total),
        "standarddsv2family": Usage("standardDSv2Family", 0, of_family),
    }


@pytest.mark.parametrize(
    ("total", "of_family", "free", "warned"),
    [
        (100, 100, "100 of 100 vCPUs free", ""),
        (100, 10, "10 of 10 vCPUs free", "the cluster may grow to 20 vCPUs, and only 10 are free"),
        (4, 100, "4 of 4 vCPUs free", "the cluster needs 8 vCPUs to start, and only 4 are free"),
    ],
)
def test_the_tightest_quota_decides(total: int, of_family: int, free: str, warned: str) -> None:
    verdict = quota.verdict(ClusterSpec(), "westeurope", usages(total, of_family))
    assert verdict.detail.startswith(free)
    assert verdict.warning.startswith(warned)
    assert bool(verdict.warning) == bool(warned)


def test_what_cannot_be_judged_is_said_to_be_unchecked() -> None:
    for spec, found in ((ClusterSpec(), {}), (ClusterSpec(node_type="odd"), usages(1, 1))):
        verdict = quota.verdict(spec, "westeurope", found)
        assert verdict.detail.startswith("not checked")
        assert verdict.warning == ""
