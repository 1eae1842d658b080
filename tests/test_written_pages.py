"""Pages written by hand, copied into a book that has only some of the pages made of notebooks."""

from book.builder import written


def test_links_to_pages_that_the_book_lacks_become_words_and_all_else_stays(tmp_path):
    book, output = tmp_path / "book", tmp_path / "output"
    (book / "_static").mkdir(parents=True)
    page = "[Hopper](pages/hopper.ipynb), [**MNIST**](pages/mnist.ipynb), [the ledger](ledger.md), `[x](y)`\n"
    (book / "a.md").write_text(page)
    (book / "_config.yml").write_text("title: pages/mnist.ipynb\n")
    (book / "_static" / "b.bin").write_bytes(b"\xff\x00")
    (book / "notes.txt").write_text("no source")
    written.copy(book, output, ["hopper"])
    assert (output / "a.md").read_text() == page.replace("[**MNIST**](pages/mnist.ipynb)", "**MNIST**")
    assert (output / "_config.yml").read_text() == "title: pages/mnist.ipynb\n"
    assert (output / "_static" / "b.bin").read_bytes() == b"\xff\x00"
    assert sorted(path.name for path in output.rglob("*") if path.is_file()) == ["_config.yml", "a.md", "b.bin"]
