/** mkfs: an empty file system in an image. */
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, statSync } from 'node:fs';
import { type BlockDriver, BlockDevice } from '../../block/block-device.ts';
import { roundDown, bytes } from '../../base/units.ts';
import { featureNames } from '../../fs/ext4/features.ts';
import { mkfs as makeFs, type MkfsResult } from '../../fs/ext4/mkfs/mkfs.ts';
import { type MkfsOptions, planFs } from '../../fs/ext4/mkfs/plan.ts';
import { FileDevice } from '../../platform/node/file-device.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import type { Cli } from '../context.ts';
import { CliError, UsageError } from '../errors.ts';
import { parseNumber, parseSize } from '../format.ts';
import { print, printJson } from '../output.ts';
import { uuidText } from '../uuid.ts';
import { type Identity, identityOf, mkfsOptions, type MkfsWords } from '../mkfs-words.ts';

export interface MkfsCommandOptions extends MkfsWords {
  readonly quiet?: true;
  readonly dryRun?: true;
}

export function mkfs(
  cli: Cli,
  image: string,
  size: string | undefined,
  o: MkfsCommandOptions,
): void {
  const identity = identityOf(o, randomBytes);
  const options = mkfsOptions(o, identity);
  const place = placeOf(image, size, options);
  cli.attempt(image, () => {
    const result = o.dryRun === true ? null : formatImage(image, place, options, identity);
    const plan = result?.plan ?? planFs(place.size, options);
    if (cli.json) printJson(summary(image, plan, identity, result));
    else if (o.quiet !== true) say(image, plan, identity);
  });
}

interface Place {
  readonly size: number;
  readonly exists: boolean;
}

/** mke2fs's sizes: a bare number counts blocks, of 1 KiB unless -b says otherwise. */
function placeOf(image: string, size: string | undefined, o: MkfsOptions): Place {
  const exists = existsSync(image);
  if (size === undefined) {
    if (!exists) throw new UsageError(`${image} is not there yet: say how large it shall be`);
    return { size: deviceSize(image), exists };
  }
  const unit = /^\d+$/.test(size)
    ? parseNumber(size, 'a size') * (o.blockSize ?? 1024)
    : parseSize(size);
  return { size: roundDown(unit, 512), exists };
}

function deviceSize(image: string): number {
  const device = new FileDevice(image, { readOnly: true });
  device.close();
  return device.size;
}

/**
 * Make the file system. A file that did not exist is gone again after a failure; one that did is
 * not touched before the plan stands.
 */
function formatImage(
  image: string,
  { size, exists }: Place,
  options: MkfsOptions,
  identity: Identity,
): MkfsResult {
  planFs(size, options);
  if (exists && statSync(image).isDirectory()) throw new CliError('EISDIR', 'is a directory');
  const old = exists ? deviceSize(image) : 0;
  if (exists && !statSync(image).isFile() && old < size) {
    throw new CliError('ENOSPC', `the device has ${old} bytes only`);
  }
  const grow = old < size;
  const file = new FileDevice(image, grow ? { create: true, size } : {});
  try {
    const device = new BlockDevice(old > size ? shortened(file, size) : file);
    return new Scheduler().runToEnd(makeFs(device, options, identity, old === 0));
  } catch (e) {
    if (!exists) rmSync(image, { force: true });
    throw e;
  } finally {
    file.close();
  }
}

/** The first `size` bytes of a device. */
const shortened = (driver: BlockDriver, size: number): BlockDriver => ({
  size: bytes(size),
  logicalBlockSize: driver.logicalBlockSize,
  readOnly: driver.readOnly,
  synchronous: driver.synchronous,
  queueDepth: driver.queueDepth,
  start: (bio) => {
    driver.start(bio);
  },
});

type Plan = MkfsResult['plan'];

function summary(image: string, plan: Plan, { uuid }: Identity, result: MkfsResult | null): object {
  return {
    image,
    uuid: uuidText(uuid),
    blockSize: plan.blockSize,
    blocks: plan.blocksCount,
    inodes: plan.inodesPerGroup * plan.groupsCount,
    groups: plan.groupsCount,
    journalBlocks: plan.journalBlocks,
    reservedBlocks: plan.reservedBlocks,
    features: featureNames(plan.features),
    ...(result ? { freeBlocks: result.freeBlocks, freeInodes: result.freeInodes } : {}),
  };
}

function say(image: string, plan: Plan, { uuid }: Identity): void {
  const inodes = plan.inodesPerGroup * plan.groupsCount;
  const journal = plan.journalBlocks > 0 ? `, journal of ${plan.journalBlocks} blocks` : '';
  print(`${image}: ${plan.blocksCount} ${plan.blockSize}-byte blocks, ${inodes} inodes${journal}`);
  print(`UUID ${uuidText(uuid)}`);
  print(`features ${featureNames(plan.features).join(' ')}`);
}
