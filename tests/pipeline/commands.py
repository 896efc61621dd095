"""The commands of README.md and docs/, and how each is tested: ``test_readme`` reads the tables."""

_REMOTE = "tests/pipeline/test_remote.py"

#: Run here as they stand, and what they have to print.
RUN = {
    "dvc metrics diff": "",
    "dvc exp show": "tuned",
    "dvc exp show --only-changed": "workspace",
    "dvc status": "Data and pipelines are up to date.",
    "python -m verify --help": (
        "  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing-key.pem\n"
        "  openssl pkey -in signing-key.pem -pubout -out signing-key.pub.pem\n"
    ),
    "python -m verdict.params": "learning_rate: 0.002",
    "python -m verdict.statistics data/predictions/tuned.parquet": '"balanced_accuracy"',
}

#: Doors: what make would run, a test that does run it, and the words that show it: by default the
#: module's name. NAME stands for any.
SHOWN: dict[str, tuple[str, ...]] = {
    "make repro": ("dvc repro", "tests/pipeline/test_repro.py"),
    "make repro recipe=melanoma": ("python -m tools.recipe use 'melanoma'", "tests/pipeline"),
    "make repro recipe=NAME": ("python -m tools.recipe use 'NAME'", "tests/pipeline"),
    "make test": ("python -m pytest", ""),
    "make pull": ("python -m tools.pull proof", _REMOTE, '"tools.pull", "proof"'),
    "make pull what=all": ("python -m tools.pull all", _REMOTE, '"tools.pull", "all"'),
    "make check-remote": (
        "python -m tools.remote --check",
        "tests/tools/test_remote.py",
        "check()",
    ),
    "make remote bucket=NAME": (
        "python -m tools.remote --bucket 'NAME' --prefix ''",
        "tests/tools/test_remote.py",
    ),
    "make demo": ("python -m tools.demo", "tests/tools/test_demo.py"),
    "make export to=exported": (
        "python -m tools.export --output 'exported'",
        "tests/tools/test_export.py",
    ),
    "make publish repo=OWNER/NAME dry=yes": (
        "python -m tools.publish --repo 'OWNER/NAME' --dry-run",
        "tests/tools/test_publish.py",
    ),
    "make verify": ("python -m verify --minutes 10", "testing/planted.py"),
    "make verify train=yes": (
        "python -m verify --minutes 10 --train",
        "testing/planted.py",
    ),
    "make verify key=signing-key.pem": (
        "python -m verify --minutes 10 --sign --private-key 'signing-key.pem'",
        "testing/planted.py",
    ),
    "make check-signature key=signing-key.pub.pem": (
        "python -m verify --check --public-key 'signing-key.pub.pem'",
        "tests/verify/test_statement.py",
    ),
    "make recipes": ("python -m tools.recipe", "tests/pipeline"),
    "make repro recipe=embedded/breakhis": (
        "python -m tools.recipe use 'embedded/breakhis'",
        "tests/pipeline",
    ),
    "make repro recipe=embedded/follow-up": (
        "python -m tools.recipe use 'embedded/follow-up'",
        "tests/pipeline",
    ),
    "make emulator": ("python -m tools.emulator", "testing/emulator.py"),
    "make lint": ("ruff check .", ""),
    # A benchmark is no test; that there is one of this name is what can be tested.
    **{
        f"make bench name={name}": (f"python -m benchmarks.{name}", "")
        for name in (
            "NAME",
            "costs",
            "evaluate",
            "extract",
            "gpu",
            "processors",
            "recipes",
            "repro",
            "resume",
            "scale",
            "statistics",
            "step",
            "verify",
        )
    },
}

#: Run by another test, in other folders or with other names: the file, and words it has to hold.
ELSEWHERE = {
    "dvc repro": ("tests/pipeline/test_repro.py", 'dvc("repro")'),
    "dvc repro --allow-missing": (
        "tests/pipeline/test_local_data.py",
        'dvc("repro", "--allow-missing"',
    ),
    "dvc exp run -S lora.r=32": ("tests/pipeline/test_repro.py", '"-S", "lora.r=32"'),
    "dvc exp run --queue -S 'lora.r=8,16'": (
        "tests/pipeline/test_repro.py",
        '"exp", "run", "--queue", "-S", "lora.r=4,32"',
    ),
    "python -m tools.search -S lora.r=8,16": (
        "tests/pipeline/test_search.py",
        '"python", "-m", "tools.search", "-S"',
    ),
    "dvc repro outside@NAME": ("tests/pipeline/test_outside.py", '"repro", "outside@far"'),
    "make repro recipe=embedded/melanoma-two-hospitals": (
        "tests/pipeline/test_recipes_labels.py",
        "run_recipe(project, recipe)",
    ),
    "dvc exp run -S compare.cost=20 -S compare.coverage=0.7": (
        "tests/pipeline/test_exp_numbers.py",
        'asked["compare.cost"]',
    ),
    "dvc exp run --run-all": ("tests/pipeline/test_repro.py", '"exp", "run", "--run-all"'),
    "dvc plots show": ("tests/pipeline/test_repro.py", '"plots", "show"'),
    "dvc push": (_REMOTE, 'dvc("push")'),
    "dvc pull": (_REMOTE, 'dvc("pull")'),
    "dvc dag": ("tests/pipeline/test_pages.py", 'dvc("dag", "--dot")'),
    "dvc checkout": ("benchmarks/parts/verify_project.py", '"dvc", "checkout"'),
    "python -m verify": ("testing/planted.py", '"verify"'),
    "model_signing verify key": (
        "tests/verify/test_signature.py",
        'with_name("model_signing")',
    ),
    "python -m tools.emulator": ("testing/emulator.py", '"tools.emulator"'),
    "python -m tools.emulator --remove": ("tests/tools/test_emulator.py", 'main(["--remove"])'),
    "python -m tools.recipe use NAME": (
        "tests/pipeline/test_recipe.py",
        '"tools.recipe", "use", name',
    ),
    "python -m tools.recipe check": ("tests/tools/test_recipe.py", 'main(["check"])'),
    "python -m tools.new_task": ("tests/tools/own_task.py", 'main([name, "--images"'),
    "python -m tools.pack_isic": ("tests/tools/test_pack_isic.py", "main([*arguments"),
    "python -m tools.new_pairs my/pairs --about restaurant": (
        "tests/tools/test_new_pairs.py",
        '"--about", "cafe", *options',
    ),
    "python -m tools.pack_medpix": ("tests/tools/test_pack_medpix.py", 'main(["--records"'),
    "python -m tools.transfer_list --recipe melanoma --out files.tsv": (
        "tests/tools/test_transfer_list.py",
        'main(["--recipe", "own", "--out",',
    ),
    "python -m tools.remote --embed": (
        "tests/pipeline/test_committed.py",
        '"tools.remote", "--embed"',
    ),
    "python -m tools.predict": ("tests/tools/test_predict.py", "tools.predict"),
    "python -m tools.predict --image lesion.jpg": (
        "tests/tools/test_predict.py",
        'run("--image", folder / "0.png")',
    ),
    "python -m tools.predict --image folder --output answers.csv": (
        "tests/tools/test_predict.py",
        'run("--image", folder, "--output",',
    ),
    "python -m tools.predict --images prior.png current.png": (
        "tests/tools/test_predict_tasks.py",
        '("--images", one, other',
    ),
    "python -m tools.predict --pairs pairs.csv": (
        "tests/tools/test_predict_texts.py",
        '"--pairs", tmp_path / name',
    ),
    "python -m tools.predict --image scan.png --question 'Is a mass visible?'": (
        "tests/tools/test_predict_tasks.py",
        '("--question", "Is it red?"',
    ),
    "python -m tools.new_task fundus --images my/images --table my/labels.csv --id image_id "
    "--label diagnosis --group patient_id --out data/fundus": (
        "tests/pipeline/test_new_task.py",
        '"tools.new_task", "leaves", "--images"',
    ),
    "python -m tools.new_task … --file prior --file current": (
        "tests/tools/test_new_task.py",
        '"--file", "prior", "--file", "current"',
    ),
    "make repro recipe=embedded/fundus": (
        "tests/pipeline/test_new_task.py",
        '"use", "embedded/leaves"',
    ),
    "make repro recipe=fundus": ("tests/pipeline/test_new_task.py", '"use", "leaves"'),
    "python -m tools.publish --pack reporting": (
        "tests/pipeline/test_pack.py",
        '"tools.publish", "--pack"',
    ),
    "python -m tools.pull_request --base origin/main --out comment": (
        "tests/pipeline/test_pull_request.py",
        '"tools.pull_request", "--base", "main", "--out"',
    ),
    "python -m tools.dependencies": ("tests/tools/test_dependencies.py", '"tools.dependencies"'),
    # The help has these lines, as `RUN` says.
    **{
        f"openssl {words}": ("tests/verify/test_signature.py", 'line.startswith("  openssl")')
        for words in (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing-key.pem",
            "pkey -in signing-key.pem -pubout -out signing-key.pub.pem",
        )
    },
    # What it starts is a server as `mlflow server` does.
    "mlflow ui --backend-store-uri sqlite:///mlflow.db": (
        "tests/tracking/conftest.py",
        '"--backend-store-uri"',
    ),
}

#: Not run by any test, and why.
NOT_RUN = {
    "git clone <this repository> verdict && cd verdict": "has no address before it is published",
    ". .venv/bin/activate": "changes only the shell that reads it",
    "git add .dvc/config && git commit -m 'Keep data and models in a bucket'": "git's own",
    "make system": "installs packages of the system",
    "make install": "the environment that tests run in is made by it",
    "git clone": "a word for what a person does",
    "gcloud auth application-default login": "asks for a person's account",
    "docker build --tag verdict .": "needs Docker's engine; buildah builds the same by a script",
    'docker run --rm --volume "$PWD:/project" --user "$(id -u):$(id -g)" verdict': "as above",
    "docker build": "as above",
    "docker compose up": "as above",
    "pip install -r requirements-gpu.txt": "for machines with a GPU",
    "pip install pylibjpeg-libjpeg": "requirements-dev.txt, which tests need, has it",
    "pip install -r requirements-ray.txt": "requirements-dev.txt, which tests need, has the same",
    "make lock": "asks the package index for all versions there are",
}
