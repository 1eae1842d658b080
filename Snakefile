# From a profile to a book. Each page is run with its own parameters, so that editing one page's
# entry in the profile runs that page only.
#
#   python book/build.py book/profiles/quick.yml 2
#   snakemake --workflow-profile book/slurm --config profile=book/profiles/quick.yml

from pathlib import Path

from nrc_core.prepared import data_folder
from nrc_core.profiles import read_profile

PROFILE_FILE = config.get("profile", "book/profiles/quick.yml")
PROFILE = read_profile(Path(PROFILE_FILE))
PAGES = {page.name: page for page in PROFILE.pages}
BUILD = Path(config.get("build", f"build/{PROFILE.name}"))
HTML = Path(config.get("html", "book"))  # jupyter-book adds _build/html
PDF = str(config.get("pdf", "no")).lower() in ("yes", "true")
CORE = sorted(str(path) for path in Path("nrc_core").rglob("*.py"))
SOURCES = sorted(
    str(path)
    for pattern in ("*.md", "*.html", "*.py", "_*.yml", "*.yaml", "*.bib", "_ext/*.py", "_static/*")
    for path in Path("book").glob(pattern)
) + sorted(str(path) for path in Path("benchmarks").glob("*/*.json"))


def notebook(wildcards):
    return f"notebooks/{PAGES[wildcards.page].notebook}.ipynb"


def manifest(wildcards):
    """The page's prepared data, those that live on disk and are there: a page without its data says so."""
    paths = [data_folder() / name / "manifest.json" for name in PAGES[wildcards.page].datasets]
    return [str(path) for path in paths if path.is_file()]


wildcard_constraints:
    page="|".join(PAGES),


# On a cluster the pages are its jobs; the rest is quick, and done where Snakemake runs.
localrules:
    all,
    claims,
    assemble,
    html,
    pdf,


rule all:
    input:
        HTML / "_build/html/index.html",
        [HTML / "_build/html/book.pdf"] if PDF else [],


rule run:
    input:
        notebook,
        manifest,
        CORE,
    output:
        BUILD / "pages/{page}.ipynb",
    log:
        BUILD / "logs/{page}.log",
    params:
        values=lambda wildcards: dict(PAGES[wildcards.page].parameters),  # a change of these runs the page again
    threads: 1
    resources:
        gpu=lambda wildcards: int(PAGES[wildcards.page].gpu),
    shell:
        "OMP_NUM_THREADS={threads} python book/pages.py {PROFILE_FILE:q} {wildcards.page} {output:q} > {log:q} 2>&1"


# What the networks of all pages say about the claims of the papers.
rule claims:
    input:
        expand(str(BUILD / "pages/{page}.ipynb"), page=PAGES),
        CORE,
        sorted(str(path) for path in Path("nrc_core").glob("claims*.yaml")),
        PROFILE_FILE,
    output:
        BUILD / "claims.json",
    log:
        BUILD / "logs/claims.log",
    shell:
        "nrc claims --json --profile {PROFILE_FILE:q} > {output:q} 2> {log:q}"


rule assemble:
    input:
        expand(str(BUILD / "pages/{page}.ipynb"), page=PAGES),
        SOURCES,
        CORE,
        PROFILE_FILE,
        "pyproject.toml",  # the repository's address
        "book/profiles/quick.yml",  # the values that are tried elsewhere
        claims=BUILD / "claims.json",
    output:
        BUILD / "book/index.md",
    log:
        BUILD / "logs/assemble.log",
    params:
        data=str(data_folder()),
        build=str(BUILD),
        pdf="pdf" if PDF else "",
    shell:
        "python book/assemble.py {PROFILE_FILE:q} {params.data:q} {params.build:q} {input.claims:q} {params.pdf} > {log:q} 2>&1"


rule html:
    input:
        BUILD / "book/index.md",
    output:
        HTML / "_build/html/index.html",
    params:
        book=str(BUILD / "book"),
        html=str(HTML),
    log:
        BUILD / "logs/html.log",
    shell:
        "rm -rf {params.html:q}/_build && "
        "jupyter-book build {params.book:q} --path-output {params.html:q} -W --keep-going --all > {log:q} 2>&1"


# The book once more, as one page, and that on paper.
rule pdf:
    input:
        HTML / "_build/html/index.html",
    output:
        HTML / "_build/html/book.pdf",
    params:
        book=str(BUILD / "book"),
        single=str(BUILD / "print"),
    log:
        BUILD / "logs/pdf.log",
    shell:
        "rm -rf {params.single:q} && "
        "jupyter-book build {params.book:q} --path-output {params.single:q} --builder singlehtml --all > {log:q} 2>&1 && "
        "python book/printing.py {params.single:q}/_build/singlehtml/index.html {output:q} >> {log:q} 2>&1"
