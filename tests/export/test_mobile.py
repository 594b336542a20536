"""A bundle's graphs in onnxruntime's own format, and the operators that a reduced build must hold."""

import onnx
import pytest

from pocketrec.cli import main
from pocketrec.errors import DataError
from pocketrec_export.bundle_writer import ROLES
from pocketrec_export.mobile import OPERATORS, write_mobile_graphs


def test_mobile_graphs_give_the_same_and_name_their_operators(toy_bundle, tmp_path, capsys):
    assert main(["mobile", str(toy_bundle), "--out", str(tmp_path / "mobile")]) == 0
    assert "kinds of operator" in capsys.readouterr().out
    for role in ROLES:
        assert (tmp_path / "mobile" / f"{role}.ort").read_bytes()[4:8] == b"ORTM"
    lines = (tmp_path / "mobile" / OPERATORS).read_text().splitlines()
    listed = {name for line in lines for name in line.split(";")[2].split(",")}
    assert all(line.split(";")[0] in ("ai.onnx", "com.microsoft") and line.split(";")[1].isdigit() for line in lines)
    kept = {"Gather", "Softmax", "LayerNormalization", "ReduceL2"}  # that nothing rewrites
    assert kept <= listed
    assert kept <= {node.op_type for role in ROLES for node in onnx.load(str(toy_bundle / f"{role}.onnx")).graph.node}
    assert write_mobile_graphs(toy_bundle, tmp_path / "mobile").difference < 1e-5


def test_a_folder_of_other_things_stays(toy_bundle, tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(DataError, match="mobile graphs"):
        write_mobile_graphs(toy_bundle, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years"
