package miniprogram.authgateway.verifier;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.PriorityQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Future;

/**
 * Time that passes when nobody has anything left to do: threads take turns, so a test of an hour is
 * exact and takes a moment.
 */
final class VirtualTime implements Timekeeper {
  private record Timer(long dueMillis, long sequence, Runnable work) {}

  private static final class Waiter {
    private final Future<?> work;
    private final long deadlineMillis;
    private boolean awake;

    private Waiter(Future<?> work, long deadlineMillis) {
      this.work = work;
      this.deadlineMillis = deadlineMillis;
    }
  }

  private final PriorityQueue<Timer> timers =
      new PriorityQueue<>(
          Comparator.comparingLong(Timer::dueMillis).thenComparingLong(Timer::sequence));
  private final Deque<Runnable> ready = new ArrayDeque<>();
  private final List<Waiter> waiters = new ArrayList<>();
  private long elapsedMillis;
  private long wallOffsetMillis;
  private long sequence;

  VirtualTime(long epochSeconds) {
    wallOffsetMillis = epochSeconds * 1000;
  }

  @Override
  public synchronized long wallMillis() {
    return elapsedMillis + wallOffsetMillis;
  }

  @Override
  public synchronized long elapsedMillis() {
    return elapsedMillis;
  }

  /** Somebody sets the clock on the wall. */
  synchronized void stepWallClock(long seconds) {
    wallOffsetMillis += seconds * 1000;
  }

  @Override
  public synchronized void run(Runnable work) {
    ready.add(work);
  }

  @Override
  public synchronized Runnable runIn(long millis, Runnable work) {
    Timer timer = new Timer(elapsedMillis + millis, sequence, work);
    sequence += 1;
    timers.add(timer);
    return () -> cancel(timer);
  }

  private synchronized void cancel(Timer timer) {
    timers.remove(timer);
  }

  @Override
  public synchronized boolean await(Future<?> work, long millis) {
    if (work.isDone()) return true;
    long deadline =
        millis > Long.MAX_VALUE - elapsedMillis ? Long.MAX_VALUE : elapsedMillis + millis;
    Waiter waiter = new Waiter(work, deadline);
    waiters.add(waiter);
    passOn();
    try {
      while (!waiter.awake) wait(10_000);
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
    waiters.remove(waiter);
    return work.isDone();
  }

  /** Lets time pass, with everything that becomes due. */
  void advanceTo(long sinceStartMillis) {
    if (sinceStartMillis > elapsedMillis())
      await(new CompletableFuture<>(), sinceStartMillis - elapsedMillis());
  }

  /** Runs all of them side by side and waits until the last is over. */
  void together(List<Runnable> works) {
    List<CompletableFuture<Void>> ends = new ArrayList<>();
    for (Runnable work : works) {
      CompletableFuture<Void> end = new CompletableFuture<>();
      ends.add(end);
      run(
          () -> {
            try {
              work.run();
              end.complete(null);
            } catch (Throwable error) {
              end.completeExceptionally(error);
            }
          });
    }
    CompletableFuture<Void> all =
        CompletableFuture.allOf(ends.toArray(CompletableFuture<?>[]::new));
    await(all, Long.MAX_VALUE);
    try {
      all.join();
    } catch (CompletionException error) {
      if (error.getCause() instanceof AssertionError failed) throw failed;
      throw error;
    }
  }

  /** Called by the one thread that had its turn, when it waits or ends: whose turn is next? */
  private void passOn() {
    while (true) {
      for (Waiter waiter : waiters) {
        if (!waiter.awake && waiter.work.isDone()) {
          wake(waiter);
          return;
        }
      }
      if (!ready.isEmpty()) {
        start(ready.remove());
        return;
      }
      Waiter first =
          waiters.stream()
              .filter(waiter -> !waiter.awake)
              .min(Comparator.comparingLong(waiter -> waiter.deadlineMillis))
              .orElseThrow();
      if (!timers.isEmpty() && timers.peek().dueMillis() <= first.deadlineMillis) {
        Timer timer = timers.remove();
        elapsedMillis = Math.max(elapsedMillis, timer.dueMillis());
        ready.add(timer.work());
      } else {
        if (first.deadlineMillis == Long.MAX_VALUE)
          throw new IllegalStateException("everybody waits for ever");
        elapsedMillis = first.deadlineMillis;
        wake(first);
        return;
      }
    }
  }

  private void wake(Waiter waiter) {
    waiter.awake = true;
    notifyAll();
  }

  private void start(Runnable work) {
    Thread thread =
        new Thread(
            () -> {
              try {
                work.run();
              } finally {
                endTurn();
              }
            });
    thread.setDaemon(true);
    thread.start();
  }

  private synchronized void endTurn() {
    passOn();
  }

  @Override
  public void close() {}
}
