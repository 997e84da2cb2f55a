"""The test cluster itself: what other cluster tests rely on."""

from __future__ import annotations

import pytest

from cluster.rig import Rig, RigError


def test_a_namespace_can_be_made_and_has_its_account(control_plane: Rig, namespace: str):
    control_plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace)


def test_two_control_planes_live_side_by_side(control_plane: Rig):
    with Rig.up(control_plane=True) as other:
        assert other.api_url != control_plane.api_url
        other.kubectl("create", "namespace", "only-here")
        with pytest.raises(RigError, match="only-here"):
            control_plane.kubectl("get", "namespace", "only-here")
    assert Rig.find(other.name) is None
