"""Whatever is wrong with a command line, a file or a config: one line on stderr, status 1 or 2, never a traceback."""

import shutil
import subprocess
import sys

import pytest

from pocketrec.cli import COMMANDS, main

BAD = [
    # command line, exit status, what the line must say
    ("", 2, "COMMAND"),
    ("predict", 2, "predict"),
    ("--verbose", 2, "COMMAND"),
    # prepare
    ("prepare", 2, "--out"),
    ("prepare --out {new}", 2, "SOURCE"),
    ("prepare {source} --demo ml-100k --out {new}", 2, "--demo"),
    ("prepare --demo ml-20m --out {new}", 2, "ml-20m"),
    ("prepare --demo ml-100k --items {file} --out {new}", 1, "--items"),
    ("prepare {nothing} --out {new}", 1, "nothing"),
    ("prepare {empty} --out {new}", 1, "empty"),
    ("prepare {binary} --out {new}", 1, "interactions.csv"),
    ("prepare {source} --out {other}", 1, "not a data set"),
    ("prepare {source} --out {file}", 1, "file.txt"),
    ("prepare {source} --out {new} --column user_id", 1, "'user_id'"),
    ("prepare {source} --out {new} --column interactions.user_id=Customer", 1, "Customer"),
    ("prepare {source} --out {new} --column friends.colour=item_id", 1, "colour"),
    ("prepare {source} --out {new} --missing items.price=guess", 1, "guess"),
    ("prepare {source} --out {new} --missing items.weight=median", 1, "weight"),
    ("prepare {source} --out {new} --encoding klingon", 1, "klingon"),
    ("prepare {source} --out {new} --on-error ignore", 2, "ignore"),
    ("prepare {source} --out {new} --min-user-count few", 2, "few"),
    ("prepare {source} --out {new} --min-user-count 1000", 1, "minimum counts"),
    ("prepare {source} --out {new} --min-item-count -1", 1, "-1"),
    ("prepare {source} --out {new} --users-share third", 2, "third"),
    ("prepare {source} --out {new} --users-share 1.5", 1, "1.5"),
    ("prepare {source} --out {new} --users-share 0.0001", 1, "share of users"),
    ("prepare {broken} --out {new}", 1, "line 3"),
    # train
    ("train", 2, "--data"),
    ("train --data {nothing} --out {new}", 1, "nothing"),
    ("train --data {source} --out {new}", 1, "dataset.json"),
    ("train --data {dataset} --out {other}", 1, "other"),
    ("train --data {dataset} --out {new} --seed x", 2, "'x'"),
    ("train --data {dataset} --out {new} --set tower", 1, "KEY=VALUE"),
    ("train --data {dataset} --out {new} --set tower.depht=2", 1, "depht"),
    ("train --data {dataset} --out {new} --set context.source=weather", 1, "$.context.source`; it takes: none"),
    ("train --data {dataset} --out {new} --set split=rolling", 1, "it takes: leave-last-out"),
    ("train --data {dataset} --out {new} --set encoder.pooling=max", 1, "it takes: mean, first, last"),
    ("train --data {dataset} --out {new} --set context.source=column:device", 1, "'device'"),
    ("train --data {dataset} --out {new} --set split=queries", 1, "0 queries to learn from"),
    ("train --data {dataset} --out {new} --set training.epochs=many", 1, "epochs"),
    ("train --data {dataset} --out {new} --set training.epochs=0", 1, "epochs"),
    ('train --data {dataset} --out {new} --set encoder.folder="{nothing}"', 1, "nothing"),
    ("train --data {dataset} --out {new} --config {nothing}", 1, "nothing"),
    ("train --data {dataset} --out {new} --config {file}", 1, "file.txt"),
    ("train --data {dataset} --out {new} --config {config}", 1, "towr"),
    # tune
    ("tune --data {dataset}", 2, "--space"),
    ("tune --data {dataset} --space {nothing} --study {new} --trials 2 --out {new}", 1, "nothing"),
    ("tune --data {dataset} --space {file} --study {new} --trials 2 --out {new}", 1, "file.txt"),
    ("tune --data {dataset} --space {config} --study {new} --trials 2 --out {new}", 1, "towr"),
    ("tune --data {dataset} --space {bad_space} --study {new} --trials 2 --out {new}", 1, "'depht'"),
    ("tune --data {nothing} --space {space} --study {new} --trials 2 --out {new}", 1, "nothing"),
    ("tune --data {dataset} --space {space} --study {new} --trials 2 --out {other}", 1, "other"),
    ("tune --data {dataset} --space {space} --study {file} --trials 2 --out {new}", 1, "file.txt"),
    ("tune --data {dataset} --space {space} --study {other} --trials 2 --out {new}", 1, "other"),
    ("tune --data {dataset} --space {space} --study {new} --trials 0 --out {new}", 1, "trials=0"),
    ("tune --data {dataset} --space {space} --study {new} --trials few --out {new}", 2, "few"),
    ("tune --data {dataset} --space {space} --study {new} --trials 2 --out {new} --seeds 1,x", 2, "1,x"),
    ("tune --data {dataset} --space {space} --study {new} --trials 2 --out {new} --seeds 1,1", 1, "(1, 1)"),
    ("tune --data {dataset} --space {space} --study {new} --trials 2 --out {new} --objective luck", 2, "luck"),
    # experiment
    ("experiment", 2, "NAME"),
    ("experiment nowhere", 1, "nowhere.toml"),
    ("experiment {config} --source {source}", 1, "towr"),
    ("experiment {good} --source {nothing} --work {new}", 1, "nothing"),
    ("experiment {good} --source {source} --work {other}", 1, "not an experiment"),
    ("experiment {good} --source {source} --work {new} --set seeds=[]", 1, "seeds"),
    # ablate
    ("ablate", 2, "NAME"),
    ("ablate nowhere", 1, "nowhere.toml"),
    ("ablate {file} --source {source}", 1, "file.txt"),
    ("ablate {good} --source {source}", 1, "experiment"),
    ("ablate {ablation} --source {nothing} --work {new}", 1, "nothing"),
    ("ablate {ablation} --source {source} --work {other}", 1, "not an ablation"),
    ("ablate {typo} --source {source} --work {new}", 1, "variant 'b'"),
    # compare
    ("compare", 2, "RESULT"),
    ("compare {file}", 1, "one result"),
    ("compare {file} {file}", 1, "file.txt"),
    ("compare {nothing} {file}", 1, "nothing"),
    ("compare {dataset} {file}", 1, "seed-*"),
    ("compare {nothing},{config} {file}", 1, "nothing"),
    # mobile
    ("mobile {bundle}", 2, "--out"),
    ("mobile {nothing} --out {new}", 1, "is not a bundle"),
    ("mobile {bundle} --out {other}", 1, "is not a folder of mobile graphs"),
    # distil
    ("distil --out {new} --size nano", 2, "--model"),
    ("distil --model {model} --out {new}", 2, "--size"),
    ("distil --model {model} --out {new} --size micro", 2, "micro"),
    ("distil --model {nothing} --out {new} --size nano", 1, "nothing"),
    ("distil --model {dataset} --out {new} --size nano", 1, "model.json"),
    ("distil --model {model} --out {other} --size nano", 1, "is not a model"),
    ("distil --model {model} --out {model} --size nano", 1, "the teacher itself"),
    ("distil --model {cut_model} --out {new} --size nano", 1, "cut_model"),
    ("distil --model {model} --out {new} --size tiny", 1, "has 2 layers"),
    ("distil --model {model} --out {new} --size nano --set nano.width=1", 1, "width"),
    ("distil --model {model} --out {new} --size nano --set tiny.depth=1", 1, "depth"),
    ("distil --model {model} --out {new} --size nano --config {config}", 1, "towr"),
    # export
    ("export --out {new}", 2, "--model"),
    ("export --model {nothing} --out {new}", 1, "nothing"),
    ("export --model {dataset} --out {new}", 1, "model.json"),
    ("export --model {model} --out {other}", 1, "other"),
    ("export --model {cut_model} --out {new}", 1, "cut_model"),
    ("export --model {model} --out {new} --route tensorrt", 2, "tensorrt"),
    ("export --model {model} --out {new} --gate-bound strict", 2, "strict"),
    ("export --model {model} --out {new} --gate-bound -0.1", 1, "bound"),
    ("export --model {model} --out {new} --set index.m=none", 1, "index.m"),
    ("export --model {model} --out {new} --config {config}", 1, "towr"),
    # model
    ("model", 2, "ACTION"),
    ("model export-hf", 2, "export-hf"),
    ("model export-st --out {new}", 2, "--model"),
    ("model export-st --model {nothing} --out {new}", 1, "nothing"),
    ("model export-st --model {dataset} --out {new}", 1, "model.json"),
    ("model export-st --model {cut_model} --out {new}", 1, "cut_model"),
    ("model export-st --model {model} --out {other}", 1, "other"),
    ("model export-st --model {model} --out {file}", 1, "file.txt"),
    ("model import-st --out {new}", 2, "--from"),
    ("model import-st --from {nothing} --out {new}", 1, "nothing"),
    ("model import-st --from {model} --out {new}", 1, "modules.json"),
    ("model import-st --from {model} --out {other}", 1, "other"),
    ("model import-st --from {model} --out {new} --without-prompts", 2, "--without-prompts"),
    # evaluate
    ("evaluate --model {model}", 2, "--data"),
    ("evaluate --data {dataset}", 1, "--bundle"),
    ("evaluate --data {nothing} --model {model}", 1, "nothing"),
    ("evaluate --data {dataset} --model {nothing}", 1, "nothing"),
    ("evaluate --data {dataset} --bundle {model}", 1, "manifest.json"),
    ("evaluate --data {dataset} --bundle {altered}", 1, "vectors.npy"),
    ("evaluate --data {dataset} --model {model} --split tomorrow", 1, "tomorrow"),
    ("evaluate --data {dataset} --model {model} --split queries", 1, "0 queries to learn from"),
    ("evaluate --data {dataset} --model {model} --at 0", 2, "0"),
    ("evaluate --data {dataset} --model {model} --folds 3", 1, "--folds"),
    ("evaluate --data {dataset} --folds 1", 1, "1"),
    ("evaluate --data {dataset} --folds 2 --origins 2", 2, "--origins"),
    ("evaluate --data {dataset} --bundle {bundle} --origins 3", 1, "--origins"),
    ("evaluate --data {dataset} --origins 9", 1, "choose 1 to 8"),
    ("evaluate --data {timeless} --origins 3", 1, "no timestamps"),
    ("evaluate --data {dataset} --model {model} --set dim=16", 1, "--folds"),
    # bench
    ("bench", 2, "--bundle"),
    ("bench --bundle {nothing}", 1, "nothing"),
    ("bench --bundle {altered}", 1, "vectors.npy"),
    ("bench --bundle {bundle} --calls 0", 1, "calls=0"),
    ("bench --bundle {bundle} --threads 0", 1, "threads=0"),
    ("bench --bundle {bundle} --calls many", 2, "many"),
    # sizes
    ("sizes", 2, "FOLDER"),
    ("sizes {nothing}", 1, "holds no seed-N/model"),
    ("sizes {nothing} --calls 0", 1, "calls=0"),
    ("sizes {nothing} --calls many", 2, "many"),
    # recommend
    ("recommend --history red-1", 2, "--bundle"),
    ("recommend --bundle {nothing}", 1, "nothing"),
    ("recommend --bundle {altered}", 1, "vectors.npy"),
    ("recommend --bundle {bundle} -k 0", 1, "0"),
    ("recommend --bundle {bundle} -k ten", 2, "ten"),
    ("recommend --bundle {bundle} --where kitchen", 1, "kitchen"),
    ("recommend --bundle {bundle} --where colour=red", 1, "colour"),
    ("recommend --bundle {bundle} --diversity 2", 1, "2.0"),
    ("recommend --bundle {bundle} --query ''", 1, "query"),
    ("recommend --bundle {bundle} --overlay {damaged}", 1, "overlay.sqlite"),
    ("recommend --bundle {bundle} --overlay {file}", 1, "file.txt"),
    ("recommend --bundle {bundle} --json {other}", 1, "other"),
    # inspect
    ("inspect", 2, "BUNDLE"),
    ("inspect {nothing}", 1, "manifest.json"),
    ("inspect {model}", 1, "manifest.json"),
    ("inspect {altered}", 1, "vectors.npy"),
    ("inspect {file}", 1, "file.txt"),
    # diff
    ("diff {bundle}", 2, "OTHER"),
    ("diff {bundle} {nothing}", 1, "manifest.json"),
    ("diff {altered} {bundle}", 1, "vectors.npy"),
    ("diff {bundle} {model}", 1, "manifest.json"),
    # upgrade
    ("upgrade", 2, "BUNDLE"),
    ("upgrade {bundle}", 2, "--out"),
    ("upgrade {nothing} --out {new}", 1, "manifest.json"),
    ("upgrade {bundle} --out {new}", 1, "nothing to upgrade"),
    # verify
    ("verify", 2, "BUNDLE"),
    ("verify {nothing}", 1, "manifest.json"),
    ("verify {altered}", 1, "vectors.npy"),
    ("verify {bundle} --threads 0", 1, "threads"),
    ("verify {bundle} --threads many", 2, "--threads"),
]


@pytest.fixture(scope="module")
def places(toy_model, toy_bundle, tmp_path_factory):
    from toys import write_shop

    from pocketrec_training.prepare import find_source, prepare

    place = tmp_path_factory.mktemp("places")
    found = {"dataset": place / "dataset", "model": toy_model, "bundle": toy_bundle}
    found["source"] = write_shop(place / "raw")
    prepare(find_source(found["source"]), found["dataset"])
    found |= {name: place / name for name in ("nothing", "empty", "other", "altered", "damaged", "broken", "binary")}
    for name in ("empty", "other", "damaged", "broken", "binary"):
        found[name].mkdir()
    (found["other"] / "mine.txt").write_text("not to be replaced")
    (found["damaged"] / "overlay.sqlite").write_bytes(b"no database" * 200)
    (found["binary"] / "interactions.csv").write_bytes(bytes(range(256)) * 20)
    (found["broken"] / "interactions.csv").write_text("user_id,item_id,timestamp\nu,a,5\nu,b,5,6,7\n")
    found["cut_model"] = place / "cut_model"
    shutil.copytree(toy_model, found["cut_model"])
    weights = found["cut_model"] / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    shutil.copytree(toy_bundle, found["altered"])
    vectors = found["altered"] / "vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"\x7f")
    (found["empty"].parent / "undated").mkdir()
    (found["empty"].parent / "undated" / "interactions.csv").write_text("user_id,item_id\nu,a\nu,b\nv,a\nv,b\n")
    found["timeless"] = place / "timeless"
    prepare(find_source(place / "undated"), found["timeless"])
    found["file"] = place / "file.txt"
    found["file"].write_text("no = config [")
    found["config"] = place / "config.toml"
    found["config"].write_text("[towr]\nlayers = 2\n")
    found["space"], found["bad_space"] = place / "space.toml", place / "bad_space.toml"
    found["space"].write_text('search."tower.layers" = {choices = [1, 2]}')
    found["bad_space"].write_text('search."tower.depht" = {choices = [1, 2]}')
    found["good"] = place / "good.toml"
    found["good"].write_text("seeds = [0]\n")
    for name, setting in (("ablation", "train.dim=4"), ("typo", "train.dmi=4")):
        found[name] = place / f"{name}.toml"
        found[name].write_text(
            f"experiment = '{found['good']}'\nvariants = {{a = ['train.dim=2'], b = ['{setting}']}}\n"
        )
    return found


@pytest.mark.parametrize(("line", "status", "says"), BAD, ids=[line or "(nothing)" for line, _, _ in BAD])
def test_a_bad_command_line_gives_one_line_and_a_status(line, status, says, places, tmp_path, capsys):
    words = [word.strip("'") for word in line.split()]
    seen = _status([word.format(new=tmp_path / "new", **places) for word in words])
    said = capsys.readouterr().err
    assert seen == status, said
    assert said.startswith("pocketrec")
    assert said.count("\n") == 1, said
    assert says in said
    assert not (tmp_path / "new").exists()
    assert [path.name for path in places["other"].iterdir()] == ["mine.txt"]


def test_a_cut_file_of_a_model_is_told_in_one_line(places, tmp_path, capsys):
    names = sorted(path.relative_to(places["model"]) for path in places["model"].rglob("*") if path.is_file())
    for name in names:
        copy = tmp_path / "model"
        shutil.copytree(places["model"], copy)
        (copy / name).write_bytes((copy / name).read_bytes()[:40])
        assert _status(["export", "--model", str(copy), "--out", str(tmp_path / "new")]) == 1, name
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        assert str(copy) in said
        shutil.rmtree(copy)


def test_every_command_stands_in_the_table():
    assert set(COMMANDS) <= {line.split()[0] for line, _, _ in BAD if line}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_is_printed_without_loading_its_part(command):
    program = (
        "import sys; from pocketrec.cli import main\n"
        f"try: main([{command!r}, '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'transformers', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"pocketrec {command}" in done.stdout


def test_the_installed_program_exits_with_the_status():
    words = [sys.executable, "-c", "import sys; from pocketrec.cli import main; sys.exit(main())", "inspect", "nothing"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pocketrec: nothing is not a bundle")


def _status(words):
    try:
        return main(words)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("dataset.json", "train --data {folder} --out {folder}-new"),
        ("model.json", "export --model {folder} --out {folder}-new"),
    ],
)
def test_bytes_that_are_no_text_are_named_with_their_file(tmp_path, capsys, file, line):
    from pocketrec.cli import main

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / file).write_bytes(b'{"format": 1, "name": "\xff\xfe"}')
    assert main(line.format(folder=tmp_path / "folder").split()) == 1
    said = capsys.readouterr().err
    assert file in said
    assert len(said.splitlines()) == 1
