// gRPC's reference library for Node on both ends of a route: calls of every shape, their trailers
// and their status pass as they are, to an app in the clear (h2c) and to one with TLS.
import grpc from '@grpc/grpc-js';
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { grpcHouse } from '../parts/grpc.mjs';
import { until } from '../parts/process.mjs';

const { status } = grpc;

/** A call with one answer: what it answers, its first fields, its status with trailers. */
function unary(client, method, words, metadata = new grpc.Metadata(), options = {}) {
  return new Promise((resolve) => {
    const seen = {};
    const done = () => { if ('answered' in seen && seen.end) resolve(seen); };
    const call = client[method](words, metadata, options, (error, answer) => { Object.assign(seen, { error, answer, answered: true }); done(); });
    call.on('metadata', (first) => { seen.first = first; });
    call.on('status', (end) => { seen.end = end; done(); });
    seen.call = call;
  });
}

/** Everything that a stream says until its status. */
function heard(call) {
  return new Promise((resolve) => {
    const words = [];
    call.on('data', (one) => words.push(one));
    call.on('error', () => {}); // it is the status, too
    call.on('status', (end) => resolve({ words, end }));
  });
}

const trailer = (end) => end.metadata.get('x-count')[0];

describe('gRPC', { concurrency: false }, () => {
  let house;
  before(async () => { house = await grpcHouse(); });
  after(() => house?.stop());

  for (const name of ['h2c', 'tls']) {
    describe(`to an app over ${name}`, { concurrency: false }, () => {
      let client;
      before(async () => { client = await house.client(name); });

      it('passes a unary call with its metadata and trailers', async () => {
        const metadata = new grpc.Metadata();
        metadata.set('x-said', 'hello');
        metadata.set('x-pomerium-jwt-assertion', 'forged');
        const { error, answer, first, end } = await unary(client, 'say', { text: 'ä€', number: 7 }, metadata);
        assert.equal(error, null);
        assert.deepEqual(answer, { text: 'ä€', number: 7 });
        assert.equal(first.get('x-heard')[0], 'hello');
        assert.notEqual(first.get('x-identity')[0], 'forged', 'what a client says of itself stays outside');
        assert.equal(end.code, status.OK);
        assert.equal(trailer(end), '1');
        assert.deepEqual(end.metadata.get('x-octets-bin')[0], Buffer.from([0, 255, 10]));
      });

      it('passes a message of megabytes', async () => {
        const text = 'x'.repeat(3 << 20);
        const { error, answer } = await unary(client, 'say', { text, number: 0 });
        assert.equal(error, null);
        assert.equal(answer.text.length, text.length);
      });

      it('passes a stream of the server', async () => {
        const { words, end } = await heard(client.count({ text: 'x'.repeat(1000), number: 500 }));
        assert.deepEqual(words.map(({ number }) => number), Array.from({ length: 500 }, (_, n) => n + 1));
        assert.deepEqual([end.code, trailer(end)], [status.OK, '500']);
      });

      it('passes a stream of the client', async () => {
        const seen = await new Promise((resolve, reject) => {
          const call = client.gather((error, answer) => (error ? reject(error) : resolve(answer)));
          for (let number = 1; number <= 100; number += 1) call.write({ text: 'last', number });
          call.end();
        });
        assert.deepEqual(seen, { text: 'last', number: 5050 });
      });

      it('passes both ways at once: each answer comes before the next question', async () => {
        const call = client.talk();
        const all = heard(call);
        for (let number = 1; number <= 20; number += 1) {
          const answer = new Promise((next) => call.once('data', next));
          call.write({ text: `word ${number}`, number });
          assert.deepEqual(await answer, { text: `WORD ${number}`, number });
        }
        call.end();
        const { words, end } = await all;
        assert.equal(words.length, 20);
        assert.deepEqual([end.code, trailer(end)], [status.OK, 'talked']);
      });

      it('passes an error with its words and trailers', async () => {
        const { error, end } = await unary(client, 'fail', { text: '', number: 0 });
        assert.deepEqual([error.code, error.details], [status.FAILED_PRECONDITION, 'not today: ü %']);
        assert.equal(trailer(end), 'failed');
        const later = await heard(client.break({ text: '', number: 0 }));
        assert.deepEqual(later.words.map(({ text }) => text), ['first']);
        assert.deepEqual([later.end.code, later.end.details, trailer(later.end)], [status.DATA_LOSS, 'half of it is gone', 'broken']);
      });

      it('tells of a method that is not there', async () => {
        const unknown = await new Promise((resolve) => client.makeUnaryRequest('/usher.e2e.Echo/Nothing', (x) => x, (x) => x, Buffer.alloc(0), resolve));
        assert.equal(unknown.code, status.UNIMPLEMENTED);
      });

      it('passes a deadline and a cancellation on', async () => {
        let before = house.seen.cancelled;
        const late = await unary(client, 'hang', { text: '', number: 0 }, new grpc.Metadata(), { deadline: Date.now() + 300 });
        assert.equal(late.error.code, status.DEADLINE_EXCEEDED);
        await until('the app hears of it', () => house.seen.cancelled > before);
        before = house.seen.cancelled;
        const call = client.hang({ text: '', number: 0 }, () => {});
        call.on('error', () => {});
        await new Promise((soon) => setTimeout(soon, 200));
        call.cancel();
        await until('the app hears of it', () => house.seen.cancelled > before);
      });

      it('carries many calls at once', async () => {
        const all = await Promise.all(Array.from({ length: 80 }, (_, number) => unary(client, 'say', { text: 'many', number })));
        assert.deepEqual(all.map(({ answer }) => answer?.number), Array.from({ length: 80 }, (_, n) => n));
      });
    });
  }

  it('says in the words of gRPC what usher itself refuses', async () => {
    const words = { text: '', number: 0 };
    const codes = {};
    for (const name of ['closed', 'dead', 'slow']) {
      const { error } = await unary(await house.client(name), name === 'slow' ? 'hang' : 'say', words);
      codes[name] = error.code;
    }
    assert.deepEqual(codes, { closed: status.UNAUTHENTICATED, dead: status.UNAVAILABLE, slow: status.UNAVAILABLE });
  });
});
