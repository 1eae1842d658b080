# From a profile to a book. Each page is run with its own parameters, so that editing one page's
# entry in the profile runs that page only.
#
#   snakemake --cores 2 --config profile=book/profiles/quick.yml

from pathlib import Path

from nrc_core.prepared import data_folder
from nrc_core.profiles import read_profile

PROFILE_FILE = config.get("profile", "book/profiles/quick.yml")
PROFILE = read_profile(Path(PROFILE_FILE))
PAGES = {page.name: page for page in PROFILE.pages}
BUILD = Path(config.get("build", f"build/{PROFILE.name}"))
HTML = Path(config.get("html", "book"))  # jupyter-book adds _build/html
CORE = sorted(str(path) for path in Path("nrc_core").glob("*.py"))


def manifest(wildcards):
    """The page's prepared data, if they live on disk and are there: a page without data says so."""
    name = PAGES[wildcards.page].parameters.get("dataset", "")
    path = data_folder() / name / "manifest.json"
    return [str(path)] if name and path.is_file() else []


wildcard_constraints:
    page="|".join(PAGES),


localrules:
    all,
    parameters,


rule all:
    input:
        HTML / "_build/html/index.html",


rule parameters:
    output:
        BUILD / "pages/{page}.json",
    params:
        notebook=lambda wildcards: PAGES[wildcards.page].notebook,
        values=lambda wildcards: dict(PAGES[wildcards.page].parameters),
    run:
        import json

        Path(output[0]).write_text(json.dumps({"notebook": params.notebook, "values": params.values}, indent=2) + "\n")


rule run:
    input:
        lambda wildcards: f"notebooks/{PAGES[wildcards.page].notebook}.ipynb",
        BUILD / "pages/{page}.json",
        manifest,
        CORE,
        book="book/pages.py",
    output:
        BUILD / "pages/{page}.run.ipynb",
    log:
        BUILD / "logs/{page}.log",
    threads: 1
    shell:
        "OMP_NUM_THREADS={threads} python {input.book} run {PROFILE_FILE} {wildcards.page} {output} > {log} 2>&1"


rule publish:
    input:
        BUILD / "pages/{page}.run.ipynb",
        profile=PROFILE_FILE,
        book="book/pages.py",
    output:
        BUILD / "book/pages/{page}.ipynb",
    shell:
        "python {input.book} publish {input.profile} {wildcards.page} {input[0]} {output}"


rule assemble:
    input:
        expand(str(BUILD / "book/pages/{page}.ipynb"), page=PAGES),
        [str(path) for pattern in ("*.md", "*.yml", "*.bib", "_ext/*", "_static/*") for path in Path("book").glob(pattern)],
        CORE,
        profile=PROFILE_FILE,
        book="book/assemble.py",
    output:
        BUILD / "book/generated/data.md",
    params:
        data=str(data_folder()),
        book=str(BUILD / "book"),
    shell:
        "python {input.book} {input.profile} {params.data} {params.book}"


rule html:
    input:
        BUILD / "book/generated/data.md",
    output:
        HTML / "_build/html/index.html",
    params:
        book=str(BUILD / "book"),
        html=str(HTML),
    log:
        BUILD / "logs/html.log",
    shell:
        "rm -rf {params.html}/_build && "
        "jupyter-book build {params.book} --path-output {params.html} -W --keep-going --all > {log} 2>&1"
