"""Real Redis servers for what the embedded one does not do: TCP, TLS, passwords, replicas, Sentinels, nodes."""

import asyncio
import contextlib
import datetime
import ipaddress
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.redis.binaries import wheels
from core.redis.connection import packed_together
from core.redis.link import connect
from core.redis.urls import Address, Endpoint, Kind


@dataclass(slots=True)
class Server:
    """One redis-server process on a port of 127.0.0.1."""

    directory: Path
    port: int
    options: tuple[str, ...]
    process: asyncio.subprocess.Process | None = None

    @property
    def place(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Run it, and wait until it answers."""
        program, modules = wheels(self.directory)
        sentinel = "--sentinel" in self.options
        loaded = [] if sentinel or "--bare" in self.options else [a for m in modules for a in ("--loadmodule", str(m))]
        options = [option for option in self.options if option != "--bare"]
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", ""]
        command = options if sentinel else [*place, *options]
        with (self.directory / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(program, *command, *loaded, stdout=log, stderr=log)
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                assert self.process.returncode is None, (self.directory / "log").read_text()
                await asyncio.sleep(0.02)

    async def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it if it runs."""
        if self.process and self.process.returncode is None:
            os.kill(self.process.pid, how)
            await self.process.wait()

    async def ask(self, *command: str | int | bytes, password: str = "") -> object:
        """One command on a connection of its own."""
        wire = await connect(self.place, Address(Kind.SERVER, (self.place,), password=password))
        try:
            (answer,) = await wire.ask(packed_together([command]), 1)
        finally:
            wire.close("it has answered")
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextlib.asynccontextmanager
async def server(directory: Path, *options: str) -> AsyncIterator[Server]:
    """A server with search, or without it where an option says `--bare`."""
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    started = Server(directory, free_port(), options)
    try:
        await started.start()
        yield started
    finally:
        await started.stop()


def free_port() -> int:
    """A port that nobody uses, with room above it for a cluster's bus."""
    while True:
        with socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            if port > 50_000:
                continue
            with contextlib.suppress(OSError):
                bus.bind(("127.0.0.1", port + 10_000))
                return port


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = directory / "certificate.pem", directory / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, form, plain))
    return public, private


@contextlib.asynccontextmanager
async def tls_before(target: Server, public: Path, private: Path) -> AsyncIterator[int]:
    """A port that speaks TLS and passes what is said on to the server, whose own build speaks none."""

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target.port)
        with contextlib.suppress(OSError):
            async with asyncio.TaskGroup() as group:
                group.create_task(_pour(reader, inner_writer))
                group.create_task(_pour(inner_reader, writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    listening = await asyncio.start_server(passed_on, "127.0.0.1", 0, ssl=context)
    try:
        yield int(listening.sockets[0].getsockname()[1])
    finally:
        listening.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
