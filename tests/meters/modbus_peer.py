"""A Modbus meter in a process of its own: a pymodbus server that can misbehave.

Started with a JSON document of registers on its command line (`{"3": {"40000": [1, 2]}, "4": {}}`, by function and
address); says its port on stdout; takes one command per line on stdin and answers `done`:
`set ADDRESS VALUE`, `mute`, `refuse`, `obey`.
"""

import asyncio
import json
import sys
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


class Meter:
    """Registers, and how requests for them are answered."""

    def __init__(self, given: dict[str, dict[str, list[int]]]) -> None:
        self.mood = "obey"
        self.written: dict[int, int] = {}
        self.given = given
        nothing = [SimData(0, values=[False], datatype=DataType.BITS)]
        self.device = SimDevice(1, simdata=(nothing, nothing, self._block("3"), self._block("4")), action=self._answer)

    def _block(self, function: str) -> list[SimData]:
        found = [
            SimData(int(address), values=words, datatype=DataType.REGISTERS)
            for address, words in sorted(self.given.get(function, {}).items(), key=lambda item: int(item[0]))
        ]
        return found or [SimData(65_535, values=[0], datatype=DataType.REGISTERS)]

    async def _answer(
        self,
        function_code: int,
        start_address: int,
        address: int,
        count: int,
        current_registers: list[int],
        set_values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if self.mood == "mute":
            await asyncio.sleep(3600)
        if self.mood == "refuse":
            return ExcCodes.DEVICE_FAILURE
        for place, value in self.written.items():
            if start_address <= place < start_address + len(current_registers):
                current_registers[place - start_address] = value
        return None


async def main() -> None:
    meter = Meter(json.loads(sys.argv[1]))
    server = ModbusTcpServer(meter.device, address=("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve_forever())
    while server.transport is None:
        await asyncio.sleep(0.01)
    sockets: Any = server.transport
    print(sockets.sockets[0].getsockname()[1], flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        words = line.decode().split()
        if words[0] == "set":
            meter.written[int(words[1])] = int(words[2])
        else:
            meter.mood = words[0]
        print("done", flush=True)
    serving.cancel()


asyncio.run(main())
