/** A client that sends bytes and counts what comes: for requests whose answers nobody reads. */
import { connect, type Socket } from 'node:net';

export class RawClient {
  receivedBytes = 0;
  readonly #socket: Socket;

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port });
    this.#socket.on('error', () => {}); // 'close' follows
    this.#socket.on('data', ({ length }) => {
      this.receivedBytes += length;
    });
  }

  get isClosed(): boolean {
    return this.#socket.closed;
  }

  send(bytes: string): void {
    this.#socket.write(bytes);
  }

  leave(): void {
    this.#socket.destroy();
  }
}

/** `port` is the server's, whatever stands before it. */
export function rawCompletion(port: number, fields: object): string {
  const body = JSON.stringify(fields);
  return [
    'POST /v1/completions HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}
