import pytest

from pairprobe.configuration import schema
from pairprobe.errors import InputError
from pairprobe.io.logins import has_login, without_logins


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("no https://me:secret@hub.example/a.json here", "no https://...@hub.example/a.json here"),
        ("(http://secret@hub.example:80)", "(http://...@hub.example:80)"),
        ("for 'https://hub.example/a?token=secret&b=1'.", "for 'https://hub.example/a?...'."),
        ("https://hub.example/a?X-Amz-Signature=secret HEAD", "https://hub.example/a?... HEAD"),
        ("Bearer hf_secret", "Bearer ..."),
        ("see https://hub.example/a and mail me@example.org", "see https://hub.example/a and mail me@example.org"),
    ],
)
def test_addresses_are_written_without_logins(monkeypatch, text, wanted):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert without_logins(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://me:secret@hub.example", True),
        ("https://hub.example/a?token=x", True),
        ("https://hub.example/a?b=1&X-Amz-Signature=x", True),
        ("https://hub.example/a?page=1", False),
        ("someone@example.org", False),
        ("google-bert/bert-base-uncased", False),
    ],
)
def test_a_login_is_told_from_other_text(text, wanted):
    assert has_login(text) == wanted


@pytest.mark.parametrize(
    "value", ["https://me:secret@hub.example/model", ["a", "https://hub.example/a?access_token=secret"]]
)
def test_a_configuration_with_a_login_is_refused_and_does_not_repeat_it(value):
    with pytest.raises(InputError, match=r"the configuration: data\.files(\.1)?: found an address with a login") as error:
        schema.check({"data": {"files": value}}, {})
    assert "secret" not in str(error.value)
