"""What a training saves, in tests of where it is kept."""


def saving(text):
    """Writes two files, one of them in a folder."""

    def save(folder):
        (folder / "state.pt").write_text(text)
        (folder / "more").mkdir()
        (folder / "more" / "tokens.txt").write_text("abc")

    return save
