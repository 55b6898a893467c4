package miniprogram.authgateway.verifier;

import java.util.concurrent.Future;

/** Clocks, timers and threads in one place, so that a test can let an hour pass in a moment. */
interface Timekeeper extends AutoCloseable {
  /**
   * The clock on the wall, for what another clock has written: {@code exp}, {@code nbf}.
   * Milliseconds since the epoch.
   */
  long wallMillis();

  /**
   * A clock that is never set, for the time that has passed since something happened here.
   * Milliseconds.
   */
  long elapsedMillis();

  /** Runs in the background, now. */
  void run(Runnable work);

  /** Runs in the background, later; returns what takes it back. */
  Runnable runIn(long millis, Runnable work);

  /** Waits until the work is over, in whatever way, or the time is; whether it is over. */
  boolean await(Future<?> work, long millis);

  @Override
  void close();

  default long wallSeconds() {
    return Math.floorDiv(wallMillis(), 1000L);
  }
}
