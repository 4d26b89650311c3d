# Makes the Parquet and Arrow files beside this script, as another program writes them: python3 parquet.py (pyarrow 26).
import datetime
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

ROWS = 700
words = [["red", "green", None][i % 3] for i in range(ROWS)]
table = pa.table({
    "key": pa.array([f"k{i}" for i in range(ROWS)]),
    "embedding": pa.array([[float(i), 0.5] for i in range(ROWS)], pa.list_(pa.float64())),
    "vector_bits": pa.array([bytes([i % 256, 0]) if i % 2 else None for i in range(ROWS)], pa.binary(2)),
    "color": pa.array(words).dictionary_encode(),
    "day": pa.array([datetime.date(2026, 1, 1) if i == 0 else None for i in range(ROWS)]),
    "tags": pa.array([["a", f"t{i % 5}"] for i in range(ROWS)]),
    "size": pa.array([{"w": i, "h": 1.5} for i in range(ROWS)]),
    "blob": pa.array([b"x"] * ROWS),
})
for version in ["1.0", "2.0"]:
    pq.write_table(table, f"zstd-v{version[0]}.parquet", compression="zstd", data_page_version=version,
                   row_group_size=400, data_page_size=1024)
feather.write_feather(table, "lz4.arrow", compression="lz4")
