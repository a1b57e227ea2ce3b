"""User data: what is written, what is refused, and that nothing makes it fail."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.sandbox.machines.place import listen_port, parse_env
from provisioner.sandbox.machines.userdata import File, UserData, parse


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(text: str) -> UserData:
    return parse(encoded("#cloud-config\n" + text))


def test_files_with_all_that_is_supported() -> None:
    data = config(
        "write_files:\n"
        "- {path: /etc/a, content: 'x: 1', permissions: '0600'}\n"
        "- {path: /b, content: aGk=, encoding: b64, owner: root:root, append: true, defer: true}\n"
        "- {path: /c/../d//e, permissions: 0755}\n"
    )
    assert data.files == (
        File("/etc/a", b"x: 1", 0o600, append=False),
        File("/b", b"hi", 0o644, append=True),
        File("/d/e", b"", 0o755, append=False),
    )
    assert data.refused == ()


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("runcmd: [true]\n", "cloud-config key runcmd"),
        ("write_files:\n- {content: x}\n", "write_files[0]: an entry without a path"),
        ("write_files:\n- {path: a}\n", "write_files[0]: a: a path that is not absolute"),
        ("write_files:\n- {path: /a, encoding: gzip}\n", "write_files[0]: /a: encoding gzip"),
        ("write_files:\n- {path: /a, source: {uri: x}}\n", "write_files[0]: /a: key source"),
        ("write_files:\n- {path: /a, permissions: rw}\n", "write_files[0]: /a: permissions 'rw'"),
        (
            "write_files:\n- {path: /a, owner: 'www:www'}\n",
            "write_files[0]: /a: owner www:www (a machine of the sandbox has one user)",
        ),
        ("[1]\n", "user data that is not a mapping"),
    ],
)
def test_what_is_refused_is_named(text: str, refused: str) -> None:
    data = config(text)
    assert data.files == ()
    assert data.refused == (refused,)


def test_a_refused_file_leaves_the_others() -> None:
    data = config("write_files:\n- {path: a}\n- {path: /b}\n")
    assert [f.path for f in data.files] == ["/b"]
    assert len(data.refused) == 1


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("#!/bin/sh\n", "user data that is a script (it begins with '#!/bin/sh')"),
        ("MIME-Version: 1.0", "user data that is anything but #cloud-config (it begins with 'MIME-Version: 1.0')"),
    ],
)
def test_other_kinds_of_user_data(text: str, refused: str) -> None:
    assert parse(encoded(text)) == UserData(refused=(refused,))


def test_none_at_all() -> None:
    assert parse(None) == parse("") == parse(encoded("\n")) == UserData()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.text("[]{}:,-&*!?|>'\"#@%\n 0a.", max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    for data in (config(text), parse(encoded(text)), parse(text)):
        assert all(f.path.startswith("/") and "/../" not in f.path + "/" for f in data.files)


def test_listen_port() -> None:
    def port(value: str) -> int:
        line = f"LISTEN_PORT={value}"
        return listen_port(config(f"write_files:\n- path: /etc/provision/product.env\n  content: {line!r}\n"))

    assert [port("9000"), port("'9000'"), port("0"), port("x"), port("70000")] == [9000, 9000, 8080, 8080, 8080]
    assert listen_port(UserData()) == 8080


def test_env_lines_are_a_shell_s() -> None:
    text = "# comment\nA=1\nB='two words' # why\nC=\"x y\"\n\nnot a line\nexport D=1\n1=2\nE=a'b\nF=\n"
    assert dict(parse_env(text)) == {"A": "1", "B": "two words", "C": "x y", "F": ""}
