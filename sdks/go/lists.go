package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultTTL       = 30 * time.Second
	longestTTL       = time.Hour
	keepUnused       = time.Hour
	maxPreloadedList = 256
	maxListBytes     = 8 * 1024 * 1024
)

type sessionStatus int

const (
	live sessionStatus = iota
	ended
	// unknown: there is no list, the one we hold has expired, or it is shorter than the index (draft section 8.3).
	unknown
)

// statusLists are the Token Status Lists (draft-ietf-oauth-status-list) that recent tokens refer to, polled in the background
// and kept as bitmaps, so that "has this session ended" costs one bit test.
type statusLists struct {
	ctx       context.Context
	config    *Config
	source    *source
	keys      *keySet
	onFailure func(url string, err error)
	start     time.Time
	lists     sync.Map // uri → *trackedList
}

type trackedList struct {
	uri       string
	held      atomic.Pointer[statusList]
	needed    atomic.Int64 // elapsed time, until which it is polled
	etag      string       // of the fetch before; one fetch at a time uses it
	refresher *refresher
}

func newStatusLists(ctx context.Context, config *Config, source *source, keys *keySet, onFailure func(string, error)) *statusLists {
	return &statusLists{ctx: ctx, config: config, source: source, keys: keys, onFailure: onFailure, start: time.Now()}
}

// elapsed is monotonic: setting the process's clock changes no interval.
func (s *statusLists) elapsed() time.Duration { return time.Since(s.start) }

// lookUp answers at once when the list is known. The token that refers to it lives until exp.
func (s *statusLists) lookUp(ctx context.Context, reference *statusReference, exp time.Time) (sessionStatus, *Error) {
	var list *trackedList
	if found, ok := s.lists.Load(reference.uri); ok {
		list = found.(*trackedList)
	} else if list = s.track(reference.uri); list == nil {
		return unknown, refuse(ClaimInvalid, "the status list was issued by another issuer")
	}
	// As long as such a token lives its list is polled and what is known of it is kept.
	list.needUntil(s.elapsed() + max(keepUnused, lifeFrom(s.config.Now(), exp)))
	if list.held.Load() == nil {
		list.refresher.settle(ctx, s.config.Wait)
	}
	held := list.held.Load()
	if held == nil {
		return unknown, nil
	}
	return s.statusIn(held, reference.index), nil
}

// statusIn: an ended session stays ended, however old the list. An index past its end is of a session younger than the list.
func (s *statusLists) statusIn(list *statusList, index int64) sessionStatus {
	if index/8 >= int64(len(list.ended)) {
		return unknown
	}
	if list.ended[index/8]>>(index%8)&1 == 1 { // Least significant bit first (draft section 4.1).
		return ended
	}
	if s.expired(list) {
		return unknown
	}
	return live
}

// expired: by the clock, or by the time that has passed since: a clock that is set back makes no list fresh again.
func (s *statusLists) expired(list *statusList) bool {
	tolerance := s.config.ClockTolerance
	return !s.config.Now().Before(list.expiresAt.Add(tolerance)) || s.elapsed() >= list.expiresElapsed+tolerance
}

func (t *trackedList) needUntil(until time.Duration) {
	for {
		current := t.needed.Load()
		if int64(until) <= current || t.needed.CompareAndSwap(current, int64(until)) {
			return
		}
	}
}

// track: the URI comes out of a token, so only one that lies under the issuer is ever asked (SSRF); nil for any other.
func (s *statusLists) track(uri string) *trackedList {
	if _, ok := s.source.locate(uri); !ok {
		return nil
	}
	list := &trackedList{uri: uri}
	list.needed.Store(int64(s.elapsed() + keepUnused))
	list.refresher = &refresher{
		ctx:       s.ctx,
		load:      func(ctx context.Context) (time.Duration, error) { return s.load(ctx, list) },
		onFailure: func(err error) { s.onFailure(uri, err) },
	}
	found, _ := s.lists.LoadOrStore(uri, list)
	return found.(*trackedList)
}

func (s *statusLists) load(ctx context.Context, list *trackedList) (time.Duration, error) {
	held := list.held.Load()
	etag := list.etag
	// A 304 does not renew the list we hold, which dies at its own exp: near that, the whole is asked for.
	if held == nil || s.elapsed()+held.ttl >= held.expiresElapsed {
		etag = ""
	}
	answer, err := s.source.get(ctx, list.uri, "application/statuslist+jwt", maxListBytes, etag)
	// Not published: the list of sessions that are long gone; until then, one that another replica has yet to publish.
	if err != nil && !errors.Is(err, errNotPublished) {
		return 0, err
	}
	if err == nil && answer.changed {
		next, err := s.open(ctx, string(answer.body), list.uri)
		if err != nil {
			return 0, err
		}
		held = merge(held, next)
		list.held.Store(held)
		list.etag = answer.etag
	}
	// Only here, where the gateway is in reach: during an outage nothing that is known is let go.
	if s.elapsed() > time.Duration(list.needed.Load()) {
		s.lists.Delete(list.uri)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return held.ttl, nil
}

// preload fetches every list that an aggregation document names (draft section 9), so that no request meets one for the first time.
func (s *statusLists) preload(ctx context.Context, aggregationURL string) error {
	answer, err := s.source.get(ctx, aggregationURL, "application/json", maxListBytes, "")
	if err != nil {
		return err
	}
	var document struct {
		StatusLists []any `json:"status_lists"`
	}
	if err := json.Unmarshal(answer.body, &document); err != nil || document.StatusLists == nil {
		return errors.New(aggregationURL + " names no status lists")
	}
	var fetches []<-chan struct{}
	for _, item := range document.StatusLists {
		uri, _ := item.(string)
		if list := s.track(uri); list != nil && len(fetches) < maxPreloadedList {
			fetches = append(fetches, list.refresher.refresh())
		}
	}
	for _, done := range fetches {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *statusLists) each(visit func(*trackedList)) {
	s.lists.Range(func(_, list any) bool {
		visit(list.(*trackedList))
		return true
	})
}

func (s *statusLists) state() []ListState {
	states := []ListState{}
	s.each(func(list *trackedList) {
		state := ListState{URI: list.uri, Expired: true, Failing: list.refresher.failing()}
		if held := list.held.Load(); held != nil {
			state.Expired = s.expired(held)
			state.Age = s.config.Now().Sub(held.issuedAt)
		}
		states = append(states, state)
	})
	return states
}
