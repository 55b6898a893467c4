package miniprogram.authgateway.verifier;

import java.time.Clock;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The verifier's own threads: daemons, started when there is something to do, gone when there is
 * nothing.
 */
final class Background implements Timekeeper {
  private static final long IDLE_SECONDS = 5;

  private final Clock clock;

  /** Unbounded: a list that waits for the keys must never hold the thread that the keys need. */
  private final ThreadPoolExecutor workers =
      new ThreadPoolExecutor(
          0,
          Integer.MAX_VALUE,
          IDLE_SECONDS,
          TimeUnit.SECONDS,
          new SynchronousQueue<>(),
          work -> daemon(work, "work"));

  private final ScheduledThreadPoolExecutor timers =
      new ScheduledThreadPoolExecutor(1, work -> daemon(work, "timer"));

  Background(Clock clock) {
    this.clock = clock;
    timers.setRemoveOnCancelPolicy(true);
    timers.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  /** A service with nothing else to do may exit. */
  private static Thread daemon(Runnable work, String name) {
    Thread thread = new Thread(work, "auth-gateway-verifier-" + name);
    thread.setDaemon(true);
    return thread;
  }

  Executor workers() {
    return workers;
  }

  @Override
  public long wallMillis() {
    return clock.millis();
  }

  @Override
  public long elapsedMillis() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
  }

  @Override
  public void run(Runnable work) {
    try {
      workers.execute(work);
    } catch (RejectedExecutionException error) {
      if (!workers.isShutdown()) throw error; // Closed meanwhile: there is nothing left to do.
    }
  }

  @Override
  public Runnable runIn(long millis, Runnable work) {
    try {
      ScheduledFuture<?> timer = timers.schedule(() -> run(work), millis, TimeUnit.MILLISECONDS);
      return () -> timer.cancel(false);
    } catch (RejectedExecutionException error) {
      if (!timers.isShutdown()) throw error;
      return () -> {};
    }
  }

  @Override
  public boolean await(Future<?> work, long millis) {
    try {
      work.get(millis, TimeUnit.MILLISECONDS);
      return true;
    } catch (ExecutionException | CancellationException error) {
      return true;
    } catch (TimeoutException error) {
      return false;
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt(); // Whoever interrupts wants an answer now.
      return false;
    }
  }

  @Override
  public void close() {
    timers.shutdownNow();
    workers.shutdownNow();
  }
}
