/** A program of the host that can be pointed at an instance's engine. */
export interface HostClient {
  /** What it is called while a machine starts. */
  step: string
  /** Tells it of the instance, and makes it the one it uses when `activate`. Never throws: the machine runs all the same. */
  show: (input: ClientInput & { socket: string; activate: boolean }) => Promise<ClientResult>
  /** The instance stops: what was used before is used again. Never throws. */
  leave: (input: ClientInput) => Promise<void>
  /** The instance is no more. Never throws. */
  remove: (input: ClientInput) => Promise<void>
}

/** What such a program is told. */
export interface ClientInput {
  /** What the instance is called. */
  name: string
  /** The instance's folder: what was used before is remembered there. */
  folder: string
  env: NodeJS.ProcessEnv
}

/** How it went: a word for the step, and what the user should know. */
export interface ClientResult {
  detail: string
  warning?: { text: string; hint: string }
}
