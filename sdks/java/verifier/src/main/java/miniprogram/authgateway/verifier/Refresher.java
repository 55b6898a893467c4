package miniprogram.authgateway.verifier;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * Keeps one remote document warm: one fetch at a time, again when it is due, soon after a failure.
 */
final class Refresher {
  private static final long MAX_RETRY_SECONDS = 30;

  @FunctionalInterface
  interface Load {
    /** Does the work and says in how many seconds it is due again, or {@link #NEVER}. */
    long load() throws Exception;

    long NEVER = -1;
  }

  private final Timekeeper time;
  private final Load load;
  private final Consumer<Exception> onFailure;

  private CompletableFuture<Void> underWay;
  private Runnable cancelTimer = () -> {};
  private int failures;
  private Exception lastError;
  private boolean stopped;

  Refresher(Timekeeper time, Load load, Consumer<Exception> onFailure) {
    this.time = time;
    this.load = load;
    this.onFailure = onFailure;
  }

  /** Starts a fetch, or joins the one under way. Never fails: a failure is reported and retried. */
  CompletableFuture<Void> refresh() {
    CompletableFuture<Void> started;
    synchronized (this) {
      if (stopped) return CompletableFuture.completedFuture(null);
      if (underWay != null) return underWay;
      cancelTimer.run();
      started = new CompletableFuture<>();
      underWay = started;
    }
    time.run(() -> attempt(started));
    return started;
  }

  /**
   * For a request that cannot be answered without the document: joins the fetch. After a failure
   * there is nothing to wait for: the retries belong to the background, and an outage must not slow
   * every request down.
   */
  CompletableFuture<Void> refreshUnlessFailing() {
    return failing() ? CompletableFuture.completedFuture(null) : refresh();
  }

  /** Whether the last fetch failed. */
  synchronized boolean failing() {
    return failures > 0;
  }

  /** Why it did, if it did. */
  synchronized Optional<Exception> lastError() {
    return Optional.ofNullable(lastError);
  }

  void stop() {
    CompletableFuture<Void> abandoned;
    synchronized (this) {
      stopped = true;
      cancelTimer.run();
      abandoned = underWay;
    }
    if (abandoned != null) abandoned.complete(null);
  }

  private void attempt(CompletableFuture<Void> started) {
    try {
      long dueInSeconds = load.load();
      finish(started, null, dueInSeconds);
    } catch (Exception error) {
      finish(started, error, 0);
    } catch (Error error) {
      finish(started, new IllegalStateException(error), 0);
      throw error;
    }
  }

  private void finish(CompletableFuture<Void> started, Exception failure, long dueInSeconds) {
    boolean report;
    synchronized (this) {
      underWay = null;
      report = failure != null && !stopped;
      long due =
          failure == null ? dueInSeconds : Math.min(MAX_RETRY_SECONDS, 1L << Math.min(failures, 5));
      failures = failure == null ? 0 : failures + 1;
      lastError = failure;
      if (!stopped && due != Load.NEVER) cancelTimer = time.runIn(due * 1000, this::refresh);
    }
    if (report) onFailure.accept(failure);
    started.complete(null);
  }
}
