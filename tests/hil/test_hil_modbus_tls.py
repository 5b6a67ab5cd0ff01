"""Modbus/TCP Security: both ends by certificate, whole frames whatever TLS does with its records."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stopline_cabinets import CabinetError, CabinetOffline, PlanCommand, PlanRow
from stopline_cabinets.modbus import Credentials, ModbusCabinet, tls_context
from stopline_controller.dev_ca import Authority, Pair
from stopline_controller.identity import Role
from stopline_controller.site import read_site
from stopline_hil.clock import SteppedClock
from stopline_hil.example import crossroads
from stopline_hil.faults import TcpWire
from stopline_hil.faults.effects import Drip
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.site_files import Post, write_site
from stopline_signals.errors import SiteError

DAY = datetime.timedelta(days=1)


def written(folder: Path, name: str, pair: Pair, authority: Authority) -> Credentials:
    files = Credentials(folder / f"{name}.pem", folder / f"{name}.key", folder / "ca.pem")
    files.certificate.write_bytes(pair.certificate)
    files.key.write_bytes(pair.key)
    files.authority.write_bytes(authority.pair.certificate)
    return files


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


@pytest.fixture
def ours(tmp_path: Path, authority: Authority) -> Credentials:
    return written(tmp_path, "controller", authority.client("controller", Role.OPERATOR, DAY), authority)


@pytest.fixture
async def secure(tmp_path: Path, authority: Authority) -> AsyncIterator[PlcCabinet]:
    files = written(tmp_path, "cabinet", authority.server([], DAY), authority)
    clock = SteppedClock(1000)
    async with PlcCabinet(crossroads(), clock, tls=tls_context(files, server=True)) as cabinet:
        for _ in range(200):
            clock.advance(1)
            cabinet.tick(clock.tenths())
        yield cabinet


def driver(port: int, tls: ssl.SSLContext | None) -> ModbusCabinet:
    return ModbusCabinet("127.0.0.1", port, crossroads(), owner=7, timeout=2.0, tls=tls)


async def test_a_plan_over_tls(secure: PlcCabinet, ours: Credentials) -> None:
    cabinet = driver(secure.port, tls_context(ours))
    await cabinet.connect()
    receipt = await cabinet.write(PlanCommand(cabinet.next_seq, (PlanRow(2, 70, 600),), 600))
    assert (await cabinet.read()).active_seq == receipt.seq
    await cabinet.close()


async def test_frames_split_over_records_are_put_together(secure: PlcCabinet, ours: Credentials) -> None:
    async with TcpWire("127.0.0.1", secure.port) as wire:
        cabinet = driver(wire.port, tls_context(ours))
        await cabinet.connect(lease=False)
        wire.effect = Drip(0.0005)
        assert (await cabinet.read()).owner == 0
        await cabinet.close()


async def test_without_a_certificate_nobody_gets_in(secure: PlcCabinet, ours: Credentials) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ours.authority)
    cabinet = driver(secure.port, context)
    with pytest.raises(CabinetError):
        await cabinet.connect(lease=False)
    assert secure.reads == 0
    await cabinet.close()


async def test_plain_modbus_is_not_answered(secure: PlcCabinet) -> None:
    cabinet = driver(secure.port, None)
    with pytest.raises(CabinetError):
        await cabinet.connect(lease=False)
    assert secure.reads == 0
    await cabinet.close()


async def test_another_authority_s_cabinet_is_not_talked_to(secure: PlcCabinet, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    stranger = Authority.create()
    files = written(folder, "controller", stranger.client("controller", Role.OPERATOR, DAY), stranger)
    cabinet = driver(secure.port, tls_context(files))
    with pytest.raises(CabinetOffline):
        await cabinet.connect(lease=False)
    await cabinet.close()


def test_files_that_do_not_fit_are_named(ours: Credentials, tmp_path: Path) -> None:
    with pytest.raises(CabinetError, match=r"missing\.pem: there is no such file"):
        tls_context(ours._replace(certificate=tmp_path / "missing.pem"))
    other = Authority.create()
    (tmp_path / "other.key").write_bytes(other.pair.key)
    with pytest.raises(CabinetError, match="is the key the certificate's"):
        tls_context(ours._replace(key=tmp_path / "other.key"))


def test_a_site_file_names_the_files(tmp_path: Path, ours: Credentials) -> None:
    options = {
        "tls_certificate": str(ours.certificate),
        "tls_key": str(ours.key),
        "tls_ca": str(ours.authority),
    }
    post = Post(crossroads(), "127.0.0.1", 802, options=options)
    site = read_site(write_site(tmp_path, [post], bundle="none"))
    assert site.junctions[0].options.credentials == ours
    half = post._replace(options={"tls_certificate": str(ours.certificate)})
    with pytest.raises(SiteError, match="belong together"):
        read_site(write_site(tmp_path, [half], bundle="none"))
