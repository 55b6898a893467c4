package verifier

import (
	"context"
	"sync"
	"time"
)

const maxRetry = 30 * time.Second

// refresher keeps one remote document warm: one fetch at a time, again when it is due, soon after a failure.
type refresher struct {
	ctx context.Context
	// load does the work and says in how long it is due again, or 0 when never.
	load      func(ctx context.Context) (time.Duration, error)
	onFailure func(err error)

	mu       sync.Mutex
	underWay chan struct{}
	timer    *time.Timer
	failures int
	lastErr  error
}

// refresh starts a fetch, or joins the one under way; the channel closes when it is over, however it went.
func (r *refresher) refresh() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay != nil {
		return r.underWay
	}
	done := make(chan struct{})
	if r.ctx.Err() != nil {
		close(done)
		return done
	}
	if r.timer != nil {
		r.timer.Stop()
	}
	r.underWay = done
	go r.attempt(done)
	return done
}

func (r *refresher) attempt(done chan struct{}) {
	due, err := r.load(r.ctx)
	if r.ctx.Err() == nil && err != nil {
		r.onFailure(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.underWay = nil
	close(done)
	if r.ctx.Err() != nil {
		return
	}
	r.lastErr = err
	if err != nil {
		due = min(maxRetry, time.Second<<min(r.failures, 5))
		r.failures++
	} else {
		r.failures = 0
	}
	if due > 0 {
		r.timer = time.AfterFunc(due, func() { r.refresh() })
	}
}

// settle is for a request that cannot be answered without the document: it joins the fetch for at most wait. After a
// failure it returns at once: the retries belong to the background, and an outage must not slow every request down.
func (r *refresher) settle(ctx context.Context, wait time.Duration) {
	if r.failing() {
		return
	}
	awaitDone(ctx, r.refresh(), wait)
}

func awaitDone(ctx context.Context, done <-chan struct{}, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (r *refresher) failing() bool { return r.err() != nil }

func (r *refresher) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastErr
}

func (r *refresher) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
	}
}
