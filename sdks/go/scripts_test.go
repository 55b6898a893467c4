package verifier

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type script struct {
	ID, Why string
	Config  json.RawMessage
	Gateway map[string]*reply
	Steps   []step
}

type step struct {
	At                       float64
	Gateway                  map[string]*reply
	Clock                    *float64
	Ready                    *string
	Verify, VerifyEvent      *string
	Times, Parallel          int
	Expect                   verdict
	Requests                 *string
	Exactly, AtMost, AtLeast *int
}

// In a bubble of synctest an hour passes in a moment, and everything in the background that was due is done before the next step.
func TestScripts(t *testing.T) {
	file := readVectors(t, "scripts.json")
	if len(file.Scripts) < 20 {
		t.Fatalf("only %d scripts", len(file.Scripts))
	}
	for _, script := range file.Scripts {
		t.Run(script.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, file, &script) })
		})
	}
}

func play(t *testing.T, file *vectorFile, script *script) {
	gateway := newFakeGateway(file, script.Gateway)
	start := time.Now()
	var mu sync.Mutex
	clock := time.Unix(file.Now, 0).Sub(start)
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(clock).Round(0)
	}
	ctx, cancel := context.WithCancel(t.Context())
	v := readConfig(file.Config, script.Config).start(ctx, t, gateway, now)
	defer synctest.Wait()
	defer cancel() // That alone ends the background work: a goroutine left behind would fail the test.
	for _, step := range script.Steps {
		time.Sleep(time.Until(start.Add(time.Duration(step.At * float64(time.Second)))))
		synctest.Wait()
		switch {
		case step.Gateway != nil:
			gateway.change(step.Gateway)
		case step.Clock != nil:
			mu.Lock()
			clock += time.Duration(*step.Clock * float64(time.Second))
			mu.Unlock()
		case step.Ready != nil:
			reason := "ok"
			if err := v.Ready(ctx); err != nil {
				reason = string(ReasonOf(err))
			}
			if reason != *step.Ready {
				t.Fatalf("at %v s ready gave %s, not %s: %s", step.At, reason, *step.Ready, script.Why)
			}
		case step.Requests != nil:
			step.checkRequests(t, gateway.asked(*step.Requests), script.Why)
		case step.VerifyEvent != nil:
			claims, err := call(ctx, v, "verifyEvent", *step.VerifyEvent)
			if wrong := step.Expect.differs(claims, err); wrong != "" {
				t.Fatalf("at %v s %s: %s", step.At, wrong, script.Why)
			}
		case step.Verify != nil:
			step.verify(ctx, t, v, script.Why)
		default:
			t.Fatalf("a step of an unknown kind at %v s", step.At)
		}
	}
}

func (s *step) verify(ctx context.Context, t *testing.T, v *Verifier, why string) {
	for range max(1, s.Times) {
		var wait sync.WaitGroup
		for range max(1, s.Parallel) {
			wait.Go(func() {
				claims, err := call(ctx, v, "verify", *s.Verify)
				if wrong := s.Expect.differs(claims, err); wrong != "" {
					t.Errorf("at %v s %s: %s", s.At, wrong, why)
				}
			})
		}
		wait.Wait()
	}
}

func (s *step) checkRequests(t *testing.T, count int, why string) {
	t.Helper()
	if (s.Exactly != nil && count != *s.Exactly) || (s.AtMost != nil && count > *s.AtMost) || (s.AtLeast != nil && count < *s.AtLeast) {
		t.Fatalf("at %v s %s was asked %d times: %s", s.At, *s.Requests, count, why)
	}
}
