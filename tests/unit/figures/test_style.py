"""The look of all figures."""

import pytest

from pairprobe.figures import style


def test_a_font_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(style, "FONT", "No Such Font")
    style._check_font.cache_clear()
    with pytest.raises(ValueError, match="No Such Font"):
        style.styled(lambda: None)()
    style._check_font.cache_clear()
