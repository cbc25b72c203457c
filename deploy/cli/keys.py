"""Keys for tcp, and keys that sign bundles: make them, let them in, list them, sign. Secrets are never printed.

`server` makes the folder that the daemon's configuration names as `[security] keys`. `client` makes a folder to hand
over, for --keys of the other commands, and lets it in. To shut somebody out, remove DIR/allowed/ROLE/NAME.pub and have
the daemon look: `phenostream reload`.

`signing` makes a pair of keys for whoever releases models, and `sign` signs a bundle with the secret one. A daemon
whose configuration names the public file in `[model] trusted_keys` serves no bundle that was not signed so.

Examples:
  phenostream keys server keys
  phenostream keys client keys --name scope-1 --role source --out scope-1.keys
  phenostream keys list keys
  phenostream keys signing release-keys --name lab
  phenostream keys sign --bundle bundle --key release-keys/lab.key
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from phenostream.deploy.cli.terminal import say, say_json, say_table

_ROLES: Final = ("source", "subscriber", "summariser", "operator")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    for name, (declare, act, help_line) in _KINDS.items():
        sub = kinds.add_parser(name, help=help_line, description=help_line)
        declare(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.set_defaults(act=act)


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand."""
    act: Callable[[argparse.Namespace], int] = args.act
    return act(args)


def _declare_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="the daemon's key folder")


def _declare_client(parser: argparse.ArgumentParser) -> None:
    _declare_folder(parser)
    parser.add_argument("--name", required=True, help="who it is, in the list and in logs")
    parser.add_argument(
        "--role",
        required=True,
        choices=_ROLES,
        help="source: send frames; subscriber: read and ask; summariser: that, and word summaries; "
        "operator: all, also drain",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder to hand over (default NAME.keys)"
    )


def _declare_signing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder for the pair of files")
    parser.add_argument("--name", required=True, help="what the key is called where it is trusted")


def _declare_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", required=True, type=Path, metavar="DIR", help="what to sign")
    parser.add_argument("--key", required=True, type=Path, metavar="FILE", help="the secret key")


def _server(args: argparse.Namespace) -> int:
    from phenostream.daemon.security.key_folder import make_server

    public = make_server(args.directory).decode()
    if args.json:
        say_json({"directory": str(args.directory), "public": public})
    else:
        say(f"{args.directory}: the daemon's keys, public {public}")
        say(f"next: [security] keys = {str(args.directory.resolve())!r} in its configuration")
    return 0


def _client(args: argparse.Namespace) -> int:
    from phenostream.daemon.security.key_folder import make_client

    out = args.out or Path(f"{args.name}.keys")
    public = make_client(args.directory, args.name, args.role, out).decode()
    if args.json:
        told = {"name": args.name, "role": args.role, "public": public, "folder": str(out)}
        say_json(told)
    else:
        say(f"{args.role} {args.name} is let in, public {public}")
        use = "[summary] keys" if args.role == "summariser" else "--keys"
        say(
            f"next: hand over {out}, by a way nobody else reads, for {use}; a running daemon: phenostream reload"
        )
    return 0


def _list(args: argparse.Namespace) -> int:
    from phenostream.daemon.security.allow_list import AllowList
    from phenostream.daemon.security.keys import SERVER_PUBLIC, read_public

    server = read_public(args.directory / SERVER_PUBLIC).decode()
    rows = [
        (one.role, one.name, one.public.decode()) for one in AllowList.read(args.directory).grants
    ]
    if args.json:
        allowed = [dict(zip(("role", "name", "public"), row, strict=True)) for row in rows]
        say_json({"server": server, "allowed": allowed})
    else:
        say(f"the daemon: {server}")
        say_table(["role", "name", "public key"], rows)
    return 0


def _signing(args: argparse.Namespace) -> int:
    from phenostream.deploy.bundle_signing import make_signing_keys

    secret, public, key = make_signing_keys(args.directory, args.name)
    if args.json:
        told = {"name": key.name, "fingerprint": key.fingerprint}
        say_json({**told, "secret_file": str(secret), "public_file": str(public)})
    else:
        say(f"{secret}: signs bundles; keep it from every box that serves them")
        say(f"{public}: key {key}, to be handed over")
        say(f"next: [model] trusted_keys = [{str(public.resolve())!r}] in a daemon's configuration")
    return 0


def _sign(args: argparse.Namespace) -> int:
    from phenostream.deploy.bundle_signing import sign_bundle

    key = sign_bundle(args.bundle, args.key)
    if args.json:
        say_json({"bundle": str(args.bundle), "signed_by": key.fingerprint})
    else:
        say(f"{args.bundle}: signed by key {key}")
    return 0


_KINDS: Final = {
    "server": (_declare_folder, _server, "make the daemon's keys and empty allow-lists"),
    "client": (_declare_client, _client, "make a client's keys and let it in"),
    "list": (_declare_folder, _list, "who is let in"),
    "signing": (_declare_signing, _signing, "make a pair of keys that signs bundles"),
    "sign": (_declare_sign, _sign, "sign a bundle"),
}
