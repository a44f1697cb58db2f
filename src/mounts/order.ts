type Entry = { shared: boolean; start: () => void }

/**
 * Runs jobs in the order they came: shared ones side by side, an exclusive one alone, after all before it and before
 * all behind it. For a client this looks as if every request were done one after the other, as OpenSSH's server does,
 * yet reads overlap.
 */
export class FifoLock {
  private readonly waiting: Entry[] = []
  private running = 0
  private exclusive = false

  /** Runs `job` when its turn comes; gives its result, or its rejection. */
  run<T>(shared: boolean, job: () => Promise<T>): Promise<T> {
    if (this.waiting.length === 0 && this.mayStart(shared)) return this.start(shared, job)
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ shared, start: () => void this.start(shared, job).then(resolve, reject) })
    })
  }

  private mayStart(shared: boolean): boolean {
    return this.running === 0 || (shared && !this.exclusive)
  }

  private async start<T>(shared: boolean, job: () => Promise<T>): Promise<T> {
    this.running++
    this.exclusive = !shared
    try {
      return await job()
    } finally {
      this.running--
      this.startNext()
    }
  }

  private startNext(): void {
    for (let next = this.waiting[0]; next && this.mayStart(next.shared); next = this.waiting[0]) {
      this.waiting.shift()
      next.start()
    }
  }
}

/** Gives replies back in the order in which their places were taken. */
export class ReplyOrder {
  private readonly places: { reply: Buffer | undefined }[] = []
  private readonly send: (reply: Buffer) => void

  constructor(send: (reply: Buffer) => void) {
    this.send = send
  }

  /** Places taken whose reply was not given back yet: those that are not filled, and those behind them. */
  get waiting(): number {
    return this.places.length
  }

  /** Takes the next place; gives the function that fills it. */
  place(): (reply: Buffer) => void {
    const place: { reply: Buffer | undefined } = { reply: undefined }
    this.places.push(place)
    return (reply) => {
      place.reply = reply
      for (let first = this.places[0]; first?.reply; first = this.places[0]) {
        this.places.shift()
        this.send(first.reply)
      }
    }
  }
}
