"""Claims about single operations: what a memory access, a multiplication and a shift cost."""

from hwshift.cost.claims.bench import Bench
from hwshift.cost.claims.claim import Claim, three
from hwshift.cost.tables import load_table

__all__ = ["access_claims", "ratio_claims"]

_NAS = "ShiftNAS"


def access_claims(bench: Bench) -> list[Claim]:
    """A thousand times the energy of an operation."""
    table = load_table()
    dram = table.pj("dram", 32)
    operations = {
        "integer addition": table.pj("int_add", 32),
        "float addition": table.figures["float add, 32 bits"].value,
        "integer multiplication": table.pj("int_mult", 32),
        "float multiplication": table.figures["float multiply, 32 bits"].value,
    }
    ratios = {name: dram / value for name, value in operations.items()}
    text = ", ".join(f"{three(value)} times {_article(name)} {name}" for name, value in ratios.items())
    total = bench.styles["shift, pow2"]
    share = total.energy.by_part_pj["memory"] / total.energy.total_pj
    accesses = total.counts.total.memory.total_bits / 32
    return [
        Claim(
            "1000x",
            "Wu et al., Shift (CVPR 2018), section 4.3, from Han et al.",
            "an external memory access takes 1000 times the energy of an arithmetic operation",
            f"{text} (32 bits, 45 nm)",
            "in part" if min(ratios.values()) < 1000 < max(ratios.values()) else "refuted",
            f"an order of magnitude that holds for none of the operations; what counts is how often: "
            f"{bench.NETWORK} makes {three(total.simulation.macs / accesses)} shift-adds for each access, and external "
            f"memory is {share:.0%} of its energy",
            ratios | {"operations per access": total.simulation.macs / accesses},
        )
    ]


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


def ratio_claims(bench: Bench) -> list[Claim]:
    """ShiftNAS's ratios between multiplier and shifter, and ShiftAddNet's."""
    del bench
    table, fpga = load_table(), load_table("fpga")
    shift, add, mult = (table.pj(action, 32) for action in ("shift", "int_add", "int_mult"))
    float_mac = table.figures["float multiply, 32 bits"].value + table.figures["float add, 32 bits"].value
    area = {name: table.figures[f"{name} area, 32 bits"].value for name in ("shifter", "adder", "multiplier")}
    energies = {"multiply, pJ": mult, "shift, pJ": shift, "add, pJ": add}
    power, areas = mult / shift, area["multiplier"] / area["shifter"]
    least = min(power, table.pj("int_mult", 8) / table.pj("shift", 8))
    shift_add, mac = shift + add, mult + add
    return [
        Claim(
            "9.7x power",
            f"{_NAS}, section 5.5, from Asati",
            "a multiplier takes at least 9.7 times the average power of a bit shift",
            f"{three(power)} times the energy at 32 bits, "
            f"{three(table.pj('int_mult', 8) / table.pj('shift', 8))} times at 8",
            "reproduced" if least >= 9.7 else "in part" if power >= 9.7 else "refuted",
            "at least 9.7 holds at 32 bits by integer figures of 45 nm, but not at 8: the paper names no width",
            energies,
        ),
        Claim(
            "1.45x area",
            f"{_NAS}, section 5.5, from Asati",
            "a multiplier takes at least 1.45 times the area of a bit shift",
            f"{three(areas)} times at 32 bits ({three(area['multiplier'])} and {three(area['shifter'])} um²)",
            "in part" if areas > 1.45 else "refuted",
            "at least holds, but the figures cannot be of one comparison: 9.7 times the power at 1.45 times the area; "
            "widths and technology of the source are unknown, and ours are from memory",
            {f"{name}, um2": value for name, value in area.items()},
        ),
        Claim(
            "4.32x transistors",
            f"{_NAS}, section 5.5, from Asati",
            "a multiplier takes at least 4.32 times the transistors of a bit shift",
            "no figure: nothing here counts transistors",
            "not checkable",
            "neither widths nor circuits are named; on an FPGA a multiplier is a hard block, a shifter lookup tables",
            {},
        ),
        Claim(
            "shifts as atoms",
            f"{_NAS}, section 5.5",
            "bit shift and addition are the atomic units of which a multiplication is made",
            f"a 32-bit shift takes {three(shift)} pJ, an addition {three(add)}: a shift by a variable amount costs "
            f"{three(shift / add)} times an addition",
            "in part" if shift > add else "reproduced",
            "a shifter is several rows of multiplexers. What is saved is the multiplication: shift and addition take "
            f"{three(mac / shift_add)} times less than integer multiplication and addition, "
            f"{three(float_mac / shift_add)} times less than in float",
            energies | {"shift-add, pJ": shift_add, "integer MAC, pJ": mac, "float MAC, pJ": float_mac},
        ),
        Claim(
            "196x and 31x",
            "You et al., ShiftAddNet (NeurIPS 2020), abstract",
            "an addition saves up to 196 times the energy of a multiplication on an FPGA, 31 times on an ASIC",
            f"{three(fpga.pj('int_mult', 32) / fpga.pj('int_add', 32))} and {three(mult / add)} times (32 bits)",
            "reproduced" if round(fpga.pj("int_mult", 32) / fpga.pj("int_add", 32)) == 196 else "refuted",
            "the FPGA's figures are the paper's own, so that only their ratio is confirmed",
            {"FPGA": fpga.pj("int_mult", 32) / fpga.pj("int_add", 32), "ASIC": mult / add},
        ),
    ]
