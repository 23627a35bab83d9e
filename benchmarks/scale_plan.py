"""Time, cost and bottleneck of a batch job, from measured rates: a model on paper, which runs nothing.

python benchmarks/scale_plan.py                                    # 1 million, 100 million and 10 billion pictures
python benchmarks/scale_plan.py --pictures 5e7 --core-rate 9 --cores 16 --machines 20 --price 0.7

The defaults of `core_rate` are this project's own measurement (docs/batch.md); prices and the store's limits are
assumptions: give those of your provider.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace

HOUR = 3600.0
MONTH = 30 * 24 * HOUR


@dataclass(frozen=True)
class Assumptions:
    """Inputs of the model.

    Args:
        pictures: how many there are.
        picture_bytes: mean size of an encoded picture.
        persons: mean number in a picture.
        row_bytes: of a person's row in Parquet.
        machines: how many there are.
        cores: of a machine.
        core_rate: pictures/s of one core: decoding, networks, rows.
        gpus: of a machine.
        gpu_rate: pictures/s of one GPU, decoding aside.
        decode_rate: pictures/s that one core decodes.
        price: of a machine, an hour.
        get_price: of 1000 GET requests.
        egress_price: of a GB that leaves the store's region; 0 within it.
        store_price: of a GB-month of results.
        bandwidth: of a machine's network, bytes/s.
        requests: GET requests/s that the store answers, of all prefixes together.
        list_rate: names/s of one listing.
        shard: pictures of a tar shard; 1 means a file for each picture.
        partition: pictures of a partition.
        partition_rate: partitions/s that one driver can hand out and count.
        start: seconds until the machines work.
    """

    pictures: float = 1e6
    picture_bytes: float = 150e3
    persons: float = 2.0
    row_bytes: float = 250.0
    machines: int = 1
    cores: int = 16
    core_rate: float = 22.0
    gpus: int = 0
    gpu_rate: float = 400.0
    decode_rate: float = 100.0
    price: float = 0.70
    get_price: float = 0.0004
    egress_price: float = 0.0
    store_price: float = 0.023
    bandwidth: float = 1.2e9
    requests: float = 20_000.0
    list_rate: float = 3_000.0
    shard: float = 1.0
    partition: float = 1_000.0
    partition_rate: float = 100.0
    start: float = 300.0


def rates(given: Assumptions) -> dict[str, float]:
    """Pictures/s that each part of the job could do alone."""
    cores = given.machines * given.cores
    computing = cores * given.core_rate
    if given.gpus:
        computing = min(given.machines * given.gpus * given.gpu_rate, cores * given.decode_rate)
    return {
        "GPUs, or decoding for them" if given.gpus else "cores": computing,
        "network": given.machines * given.bandwidth / given.picture_bytes,
        "requests to the store": given.requests * given.shard,
        "listing": given.list_rate * given.shard,
        "driver (partitions)": given.partition_rate * given.partition,
    }


def plan(given: Assumptions) -> dict[str, float | str]:
    """Hours, money, files and the slowest part of a job."""
    parts = rates(given)
    slowest = min(parts, key=lambda name: parts[name])
    seconds = given.pictures / parts[slowest] + given.start
    result_bytes = given.pictures * given.persons * given.row_bytes
    machines = given.machines * given.price * seconds / HOUR
    requests = given.pictures / given.shard / 1000 * given.get_price
    egress = given.pictures * given.picture_bytes / 1e9 * given.egress_price
    storage = result_bytes / 1e9 * given.store_price
    return {
        "hours": seconds / HOUR,
        "bottleneck": slowest,
        "pictures/s": parts[slowest],
        "machines, money": machines,
        "requests, money": requests,
        "egress, money": egress,
        "results, money a month": storage,
        "money in all": machines + requests + egress + storage,
        "results, GB": result_bytes / 1e9,
        "files of the job": 4 * given.pictures / given.partition,
    }


SIZES = {
    "1 million on one machine": Assumptions(),
    "100 million, a file each, 50 machines": Assumptions(pictures=1e8, machines=50, partition=10_000),
    "the same in shards of 5,000": Assumptions(pictures=1e8, machines=50, partition=10_000, shard=5_000),
    "10 billion, a file each, 1,000 machines": Assumptions(pictures=1e10, machines=1000),
    "the same in shards, partitions of 100,000": Assumptions(
        pictures=1e10, machines=1000, shard=10_000, partition=100_000
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for item in fields(Assumptions):
        kind = int if isinstance(item.default, int) else float
        parser.add_argument(f"--{item.name.replace('_', '-')}", type=kind)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    jobs = {"this job": replace(Assumptions(), **given)} if "pictures" in given else SIZES
    for name, assumptions in jobs.items():
        found = plan(assumptions if "pictures" in given else replace(assumptions, **given))
        print(f"{name}:")
        for key, value in found.items():
            print(f"  {key:24} {value if isinstance(value, str) else f'{value:,.2f}'}")


if __name__ == "__main__":
    main()
