"""One other embedded vector database, by its Python interface: peers.py PEER DATA WORK ROWS.

Prints `line JSON` for the report, and `qps`, `filtered_qps` and `ingest` with the best figure at recall 0.95 or more.
Queries come one at a time, on one thread where the database lets us say so; rows come in batches of 1,000. The figure `ingest` is that of databases
that have synced a batch when the call returns; LanceDB never syncs (strace shows no fsync at all): its figure is `unsynced_ingest`. The filter lets
a tenth of the rows through and has nothing to do with the vectors.
"""
import json
import os
import sys
import time

for variable in ("RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS", "LANCE_CPU_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

from common import K, DataSet  # noqa: E402

BATCH = 1_000
QUERIES = 200
RECALL = 0.95
UNSYNCED = {"lancedb"}


def main(peer, directory, work, rows):
    os.makedirs(work, exist_ok=True)
    data = DataSet(directory, "minilm", int(rows), QUERIES)
    part = data.rows // 10
    truth_of_part = np.argsort(-(data.queries @ data.base[:part].T), axis=1, kind="stable")[:, :K]
    insert, index, unfiltered, filtered = globals()[peer](data, work, part)
    began = time.perf_counter()
    for start in range(0, data.rows, BATCH):
        insert(start, min(start + BATCH, data.rows))
    report(peer, "unsynced_ingest" if peer in UNSYNCED else "ingest", data.rows / (time.perf_counter() - began), {})
    index()
    for name, truth, settings in (("qps", data.truth, unfiltered), ("filtered_qps", truth_of_part, filtered)):
        for setting, search in settings:
            search(data.queries[0])
            began = time.perf_counter()
            found = [search(query) for query in data.queries]
            qps = len(found) / (time.perf_counter() - began)
            recall = sum(len(set(f) & set(t.tolist())) for f, t in zip(found, truth)) / (K * len(truth))
            report(peer, name, qps if recall >= RECALL else 0, dict(setting=setting, recall=round(recall, 4), qps=round(qps, 1)))


def report(peer, figure, value, more):
    print("line", json.dumps(dict(comparison="db", part="peers", db=peer, figure=figure, value=round(value, 1), **more)), flush=True)
    print(figure, value, flush=True)


def qdrant_edge(data, work, part):
    import qdrant_edge as q

    hnsw = q.HnswIndexConfig(m=16, ef_construct=200, full_scan_threshold=1000, max_indexing_threads=1)
    config = q.EdgeConfig(
        vectors={"": q.EdgeVectorParams(size=data.dim, distance=q.Distance.Cosine)}, hnsw_config=hnsw,
        quantization_config=q.ScalarQuantizationConfig(type=q.ScalarType.Int8, always_ram=True),
        optimizers=q.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1000), max_search_threads=1)
    os.makedirs(work + "/shard")
    shard = q.EdgeShard.create(work + "/shard", config)

    def insert(start, end):
        points = [q.Point(i, data.base[i].tolist(), {"row": i}) for i in range(start, end)]
        shard.update(q.UpdateOperation.upsert_points(points))
        shard.flush()

    def index():
        shard.update(q.UpdateOperation.create_field_index("row", q.PayloadSchemaType.Integer))
        shard.optimize()

    def search(ef, filter=None):
        params = q.SearchParams(hnsw_ef=ef, quantization=q.QuantizationSearchParams(rescore=True, oversampling=2.0))
        return lambda v: [hit.id for hit in shard.query(q.QueryRequest(limit=K, query=q.Query.Nearest(v.tolist()), params=params, filter=filter))]

    below = q.Filter(must=[q.FieldCondition(key="row", range=q.RangeFloat(lt=float(part)))])
    efs = (16, 32, 64, 128, 256)
    return insert, index, [(f"ef {ef}", search(ef)) for ef in efs], [(f"ef {ef}", search(ef, below)) for ef in efs]


def lancedb(data, work, part):
    import lancedb as lance
    import pyarrow as pa

    schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), data.dim))])
    table = lance.connect(work).create_table("t", schema=schema)

    def insert(start, end):
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(data.base[start:end].ravel()), data.dim)
        table.add(pa.table({"id": pa.array(range(start, end)), "vector": vectors}, schema=schema))

    def index():
        table.create_index(metric="cosine", vector_column_name="vector", index_type="IVF_PQ")
        table.create_scalar_index("id")

    def search(probes, refine, where=None):
        def found(vector):
            query = table.search(vector).metric("cosine").limit(K).nprobes(probes).refine_factor(refine).select(["id"])
            return [row["id"] for row in (query.where(where, prefilter=True) if where else query).to_list()]
        return found

    settings = ((20, 10), (60, 30))
    return (insert, index, [(f"nprobes {p}, refine {r}", search(p, r)) for p, r in settings],
            [(f"nprobes {p}, refine {r}", search(p, r, f"id < {part}")) for p, r in settings])


def chromadb(data, work, part):
    import chromadb as chroma

    client = chroma.PersistentClient(work)
    settings = {"hnsw:space": "cosine", "hnsw:num_threads": 1, "hnsw:search_ef": 100}
    collection = client.create_collection("bench", metadata=settings)

    def insert(start, end):
        collection.add(ids=[str(i) for i in range(start, end)], embeddings=data.base[start:end], metadatas=[{"row": i} for i in range(start, end)])

    def search(where=None):
        return lambda v: [int(i) for i in collection.query(query_embeddings=v[None], n_results=K, include=[], where=where)["ids"][0]]

    return insert, lambda: None, [("search_ef 100", search())], [("search_ef 100", search({"row": {"$lt": part}}))]


def sqlite_vec(data, work, part):
    import apsw
    import sqlite_vec as vec

    connection = apsw.Connection(work + "/s.db")
    connection.enable_load_extension(True)
    connection.load_extension(vec.loadable_path())
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute(f"create virtual table t using vec0(row integer, v float[{data.dim}] distance_metric=cosine)")

    def insert(start, end):
        with connection:
            connection.executemany("insert into t(rowid, row, v) values(?, ?, ?)", [(i, i, data.base[i].tobytes()) for i in range(start, end)])

    def search(where=""):
        statement = f"select rowid from t where v match ? and k = {K} {where} order by distance"
        return lambda v: [row[0] for row in connection.execute(statement, (v.tobytes(),))]

    return insert, lambda: None, [("exact", search())], [("exact", search(f"and row < {part}"))]


if __name__ == "__main__":
    main(*sys.argv[1:])
