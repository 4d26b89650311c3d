// The client for JavaScript, unchanged: an operation of each kind that it has a method for.

import assert from 'node:assert/strict';
import {before, test} from 'node:test';
import {QdrantClient} from '@qdrant/js-client-rest';

const client = new QdrantClient({host: '127.0.0.1', port: Number(process.env.REST_PORT)});
const EAST = [1, 0, 0, 0];
const is = (key, value) => ({must: [{key, match: {value}}]});
const ids = (points) => points.map((point) => point.id);

before(async () => {
    for (const {name} of (await client.getCollections()).collections) {
        await client.deleteCollection(name);
    }
    await client.createCollection('notes', {
        vectors: {size: 4, distance: 'Cosine'},
        sparse_vectors: {words: {modifier: 'idf'}},
    });
    const points = Array.from({length: 10}, (_, i) => ({
        id: i,
        vector: {'': [i + 1, 1, 0, 0], words: {indices: [i % 2, 7], values: [1, 0.5]}},
        payload: {parity: i % 2 ? 'odd' : 'even', n: i},
    }));
    const {status} = await client.upsert('notes', {wait: true, points});
    assert.equal(status, 'completed');
});

test('collections', async () => {
    assert.match((await client.versionInfo()).version, /^1\.19\./);
    assert.ok((await client.collectionExists('notes')).exists);
    const info = await client.getCollection('notes');
    assert.equal(info.points_count, 10);
    assert.deepEqual(info.config.params.sparse_vectors.words, {modifier: 'idf'});
    assert.ok(await client.updateCollection('notes', {metadata: {kept: true}}));
    assert.equal((await client.collectionClusterInfo('notes')).shard_count, 1);
    assert.deepEqual((await client.listShardKeys('notes')).shard_keys, []);
    await assert.rejects(client.getCollection('nope'), (error) => error.status === 404);
});

test('aliases', async () => {
    await client.updateCollectionAliases({
        actions: [{create_alias: {alias_name: 'now', collection_name: 'notes'}}],
    });
    assert.equal((await client.getCollectionAliases('notes')).aliases[0].alias_name, 'now');
    assert.equal((await client.count('now')).count, 10);
    await client.updateCollectionAliases({actions: [{delete_alias: {alias_name: 'now'}}]});
    assert.deepEqual((await client.getAliases()).aliases, []);
});

test('reading', async () => {
    const [point] = await client.retrieve('notes', {ids: [3], with_vector: true});
    assert.deepEqual(point.vector.words, {indices: [1, 7], values: [1, 0.5]});
    const page = await client.scroll('notes', {limit: 4, filter: is('parity', 'odd')});
    assert.deepEqual(ids(page.points), [1, 3, 5, 7]);
    assert.equal(page.next_page_offset, 9);
    await client.createPayloadIndex('notes', {wait: true, field_name: 'parity', field_schema: 'keyword'});
    const {hits} = await client.facet('notes', {key: 'parity'});
    assert.deepEqual(hits, [{value: 'even', count: 5}, {value: 'odd', count: 5}]);
    await client.deletePayloadIndex('notes', 'parity');
});

test('queries', async () => {
    const near = await client.query('notes', {query: EAST, limit: 2, filter: is('parity', 'odd')});
    assert.deepEqual(ids(near.points), [9, 7]);
    const rare = await client.query('notes', {query: {indices: [1, 7], values: [1, 1]}, using: 'words', limit: 5});
    assert.deepEqual(ids(rare.points).sort(), [1, 3, 5, 7, 9]);
    const fused = await client.query('notes', {
        prefetch: [{query: EAST, limit: 5}, {query: {indices: [1], values: [1]}, using: 'words', limit: 5}],
        query: {fusion: 'rrf'},
        with_payload: ['n'],
    });
    assert.equal(fused.points[0].payload.n, fused.points[0].id);
    const both = await client.queryBatch('notes', {searches: [{query: EAST, limit: 1}, {query: 0, limit: 1}]});
    assert.deepEqual(both.map((found) => found.points.length), [1, 1]);
    const {groups} = await client.queryGroups('notes', {query: EAST, group_by: 'parity', group_size: 1});
    assert.deepEqual(groups.map((group) => group.id), ['odd', 'even']);
    assert.ok((await client.searchMatrixPairs('notes', {sample: 5, limit: 2})).pairs.length > 0);
    assert.ok((await client.searchMatrixOffsets('notes', {sample: 5, limit: 2})).ids.length > 0);
});

test('changes', async () => {
    const payload = async (id) => (await client.retrieve('notes', {ids: [id]}))[0].payload;
    await client.upsert('notes', {
        wait: true,
        batch: {ids: [100, 101], vectors: {'': [EAST, EAST]}, payloads: [{a: 1}, {a: 2}]},
    });
    await client.setPayload('notes', {wait: true, payload: {b: 2}, points: [100]});
    assert.deepEqual(await payload(100), {a: 1, b: 2});
    await client.deletePayload('notes', {wait: true, keys: ['a'], points: [100]});
    await client.overwritePayload('notes', {wait: true, payload: {c: 3}, points: [101]});
    assert.deepEqual([await payload(100), await payload(101)], [{b: 2}, {c: 3}]);
    await client.clearPayload('notes', {wait: true, points: [101]});
    assert.deepEqual(await payload(101), {});
    await client.updateVectors('notes', {wait: true, points: [{id: 100, vector: {words: {indices: [1], values: [2]}}}]});
    await client.deleteVectors('notes', {wait: true, points: [100], vector: ['words']});
    const done = await client.batchUpdate('notes', {
        wait: true,
        operations: [{set_payload: {payload: {d: 4}, points: [100]}}, {delete: {points: [101]}}],
    });
    assert.equal(done.length, 2);
    await client.delete('notes', {wait: true, points: [100]});
    assert.equal((await client.count('notes', {exact: true})).count, 10);
});
