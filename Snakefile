# From a profile to a book. Each page is run with its own parameters, so a change of one page's
# entry in the profile runs only that page.
#
#   python -m book.builder.build book/profiles/quick.yml 2
#   snakemake --workflow-profile book/slurm --config profile=book/profiles/quick.yml
#
# For every profile, claims are judged on the published runs. The runs that the profile trains are compared with
# reference runs. This is the re-check.

import hashlib
import json
import shlex
from pathlib import Path

from nrc_core.data.catalogue import BUILT_IN, SIMULATED
from nrc_core.data.prepared import data_folder
from nrc_core.workflow.profiles import read_profile

PROFILE_FILE = config.get("profile", "book/profiles/quick.yml")
PROFILE = read_profile(Path(PROFILE_FILE))
PAGES = {page.name: page for page in PROFILE.pages}
PUBLISHED_FILE = "book/profiles/paper.yml"
STORE = read_profile(Path(PUBLISHED_FILE)).store  # of the published runs
PUBLISHED = [PUBLISHED_FILE, *sorted(str(path) for path in Path(STORE).glob("*/provenance.json"))]
# The reference runs, runs of the same seeds on other machines, and the networks of the multiverse.
REFERENCES = sorted(
    str(path)
    for name in ("references", "machines/*", "multiverse")
    for path in Path(STORE).glob(f"{name}/*.parquet")
)
NOTHING = json.dumps({"profile": PROFILE.name, "pages": []})
PREPARED = set(BUILT_IN) - {"synthetic"}
SHOWS_PUBLISHED = PROFILE.store == STORE
BUILD = Path(config.get("build", f"build/{PROFILE.name}"))
HTML = Path(config.get("html", "book"))  # jupyter-book adds _build/html
PDF = str(config.get("pdf", "no")).lower() in ("yes", "true")
CORE = sorted(str(path) for path in Path("nrc_core").rglob("*") if path.suffix in (".py", ".mplstyle", ".yaml"))
SOURCES = sorted(
    str(path)
    for pattern in ("*.md", "builder/*.py", "builder/*.html", "_*.yml", "*.yaml", "*.bib", "_ext/*.py", "_static/*")
    for path in Path("book").glob(pattern)
) + sorted(str(path) for path in Path("benchmarks").glob("*/*.json"))


def digest(paths):
    """One checksum of many files, used as a parameter of a rule in place of input files.

    Snakemake looks at the input files of each waiting job several times a second. With hundreds of files this takes
    a tenth of a core.
    """
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{path} {hashlib.sha256(Path(path).read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


CORE_DIGEST = digest(CORE)
# A page depends on its own section, and on the core without the other sections and the rooms used after the pages.
SECTIONS = sorted(path.parent.name for path in Path("nrc_core/sections").glob("*/__init__.py"))
AFTER_PAGES = ("claims", "cli", *(f"sections/{name}" for name in SECTIONS))
BEFORE_PAGES = [path for path in CORE if not any(path.startswith(f"nrc_core/{room}/") for room in AFTER_PAGES)]
PAGE_DIGESTS = {
    name: digest(BEFORE_PAGES + sorted(str(path) for path in Path("nrc_core/sections", name).glob("*.py")))
    for name in {page.notebook for page in PAGES.values()}
}
PUBLISHED_DIGEST = digest(PUBLISHED)
DRAWS_PUBLISHED = ("exposure",)  # notebooks that draw the published runs beside their own


def notebook(wildcards):
    return f"notebooks/{PAGES[wildcards.page].notebook}.ipynb"


def manifests(wildcards):
    """Paths of the manifests of a page's prepared data by name, whether they exist or not."""
    names = [name for name in PAGES[wildcards.page].datasets if name in PREPARED]
    return {name: data_folder() / name / "manifest.json" for name in names}


def data(wildcards):
    """Manifests of the page's prepared data that exist."""
    return [str(path) for path in manifests(wildcards).values() if path.is_file()]


def shown(wildcards):
    """Checksum of the published runs, for a page that draws them beside its own or shows them for lack of data.

    A page shows them in place of its own if its data are missing and cannot be simulated.
    """
    draws = PAGES[wildcards.page].notebook in DRAWS_PUBLISHED
    lacks = draws or any(not path.is_file() for name, path in manifests(wildcards).items() if name not in SIMULATED)
    return PUBLISHED_DIGEST if lacks else ""


def pages():
    return expand(str(BUILD / "pages/{page}.ipynb"), page=PAGES)


wildcard_constraints:
    page="|".join(PAGES),


# On a cluster, the pages are jobs. The other rules are quick and run on the machine where Snakemake runs.
localrules:
    all,
    claims,
    check,
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
        data,
    output:
        BUILD / "pages/{page}.ipynb",
    log:
        BUILD / "logs/{page}.log",
    params:
        # A change of these runs the page again.
        values=lambda wildcards: dict(PAGES[wildcards.page].parameters),
        core=lambda wildcards: PAGE_DIGESTS[PAGES[wildcards.page].notebook],
        shown=shown,
    threads: 1
    resources:
        gpu=lambda wildcards: int(PAGES[wildcards.page].gpu),
    shell:
        "OMP_NUM_THREADS={threads} python -m book.builder.pages {PROFILE_FILE:q} {wildcards.page} {output:q} > {log:q} 2>&1"


# Judges the claims of the papers on the published runs. The folder `nowhere` holds no data, so the runs are found by
# their configuration and the verdicts are the same on every machine. This rule waits for the pages only if they add
# published runs.
rule claims:
    input:
        PUBLISHED_FILE,
        REFERENCES,
        pages() if SHOWS_PUBLISHED else [],
    output:
        BUILD / "claims.json",
    log:
        BUILD / "logs/claims.log",
    params:
        nowhere=str(BUILD / "nowhere"),
        core=CORE_DIGEST,
        published=PUBLISHED_DIGEST,
    shell:
        "NRC_DATA_DIR={params.nowhere:q} nrc claims --json --profile {PUBLISHED_FILE:q} --store {STORE:q} "
        "> {output:q} 2> {log:q}"


# Compares the runs that the pages trained with the reference runs. `nrc check` ends with 1 if a page differs. This is
# a valid result. The second program fails if there is no result.
rule check:
    input:
        pages(),
        REFERENCES,
        CORE,
        PROFILE_FILE,
    output:
        BUILD / "check.json",
    log:
        BUILD / "logs/check.log",
    params:
        # A book of the published runs has nothing to compare.
        compare=f"printf %s {shlex.quote(NOTHING)}" if SHOWS_PUBLISHED else "nrc check --json --profile",
        profile=[] if SHOWS_PUBLISHED else PROFILE_FILE,
        build=str(BUILD),
    shell:
        "({params.compare} {params.profile:q} > {output:q} 2> {log:q} || test $? -eq 1) && "
        "python -m book.builder.recheck {PROFILE_FILE:q} build={params.build:q} >> {log:q} 2>&1"


rule assemble:
    input:
        pages(),
        SOURCES,
        CORE,
        PROFILE_FILE,
        "pyproject.toml",  # the repository's address
        "book/profiles/quick.yml",  # its values are used in the commands that try a page on another machine
        PUBLISHED_FILE,
        claims=BUILD / "claims.json",
        check=BUILD / "check.json",
    output:
        BUILD / "book/index.md",
    log:
        BUILD / "logs/assemble.log",
    params:
        data=str(data_folder()),
        build=str(BUILD),
        pdf="pdf" if PDF else "",
    shell:
        "python -m book.builder.assemble {PROFILE_FILE:q} {params.data:q} {params.build:q} {input.claims:q} {input.check:q} "
        "{params.pdf} > {log:q} 2>&1"


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


# Builds the book again as one page and prints this page to a PDF.
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
        "python -m book.builder.printing {params.single:q}/_build/singlehtml/index.html {output:q} >> {log:q} 2>&1"
