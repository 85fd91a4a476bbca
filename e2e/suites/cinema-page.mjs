// The stand-in's web page, as a person uses it.
import assert from 'node:assert/strict';
import { until } from '../parts/process.mjs';

/** Opens the film and sees that time goes on in it. */
export async function play(page) {
  throw new Error('not written yet');
}
