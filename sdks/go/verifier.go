// Package verifier checks the access tokens of a mini-program auth gateway in a service's own process. Keys and status
// lists are fetched in the background and kept, so that a request costs one signature check and one bit test, and the
// gateway may be down.
package verifier

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Policy says what becomes of a token whose session's status is not known.
type Policy string

const (
	// Allow accepts it: what ended meanwhile is bounded by the token's own life. The default.
	Allow Policy = "allow"
	// Refuse answers StatusUnavailable, or ClaimMissing for a token that has no status at all.
	Refuse Policy = "refuse"
)

// Config of a verifier. Issuer and Audience are required; the zero value of everything else is its default.
type Config struct {
	// Issuer is the gateway's ISSUER, letter for letter.
	Issuer string
	// Audience is what this service answers to; with several, a token for any of them is accepted.
	Audience []string
	// BaseURL is where this service reaches the gateway, e.g. http://gateway.auth-gateway.svc; the issuer by default.
	BaseURL string
	// Algorithms are ES256, RS256 and EdDSA by default. A key is never used with an algorithm other than its own.
	Algorithms []string
	// ClockTolerance is for exp and nbf: 5 s by default; less than 0 is none.
	ClockTolerance time.Duration
	// MaxStale is how long keys are trusted while the gateway cannot be reached; after that KeysUnavailable. Default 24 h.
	MaxStale time.Duration
	// OnStaleStatus is for a token whose status list cannot be had, has expired or does not reach its index.
	OnStaleStatus Policy
	// OnMissingStatus is for a token without a status claim.
	OnMissingStatus Policy
	// Wait is the longest a request waits for the network, in the few cases where it does. Default 2 s.
	Wait time.Duration
	// FetchTimeout is the limit of one fetch. Default 5 s.
	FetchTimeout time.Duration
	// HTTPClient fetches; redirects are never followed. http.DefaultTransport by default.
	HTTPClient *http.Client
	// Now is the clock that tokens are compared with; time.Now by default.
	Now func() time.Time
	// OnFailure is told of failures in the background; the verifier goes on and tries again. Without it the first is logged.
	OnFailure func(Failure)
}

// Failure in the background: part is "keys" or "status".
type Failure struct {
	Part, URL string
	Err       error
}

// State is for a health page.
type State struct {
	// Usable: keys are there and not too old.
	Usable bool
	Keys   KeysState
	Lists  []ListState
}

// KeysState says which keys there are, and how long ago the gateway confirmed them.
type KeysState struct {
	Kids    []string
	Age     time.Duration
	Failing bool
}

// ListState says how old a status list is.
type ListState struct {
	URI              string
	Age              time.Duration
	Expired, Failing bool
}

// Verifier is safe for use by many goroutines. Make one for the life of the service.
type Verifier struct {
	config *Config
	source *source
	keys   *keySet
	lists  *statusLists
	tokens *signedTokens
	cancel context.CancelFunc
}

// New makes a verifier and fetches nothing yet. Its background work ends with ctx, or by Close.
func New(ctx context.Context, config Config) (*Verifier, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	report := newReport(config.OnFailure)
	source := newSource(&config)
	keys := newKeySet(ctx, &config, source, func(url string, err error) { report("keys", url, err) })
	return &Verifier{
		config: &config,
		source: source,
		keys:   keys,
		lists:  newStatusLists(ctx, &config, source, keys, func(url string, err error) { report("status", url, err) }),
		tokens: &signedTokens{
			issuer:     config.Issuer,
			audience:   config.Audience,
			algorithms: config.Algorithms,
			tolerance:  config.ClockTolerance.Seconds(),
			keys:       keys,
			now:        config.Now,
			clockError: source.clockError,
		},
		cancel: cancel,
	}, nil
}

var algorithms = []string{"ES256", "RS256", "EdDSA"}

// complete refuses a configuration with a gap, so that a service that forgot something does not start (ASVS V9.2.3).
func (c *Config) complete() error {
	if parsed, err := url.Parse(c.Issuer); err != nil || parsed.Scheme == "" || parsed.Host == "" {
		return errors.New("verifier: Issuer must be a URL: the ISSUER of the gateway")
	}
	if len(c.Audience) == 0 || contains(c.Audience, "") {
		return errors.New(`verifier: Audience must not be empty: it is the name of this service in the "aud" of its tokens`)
	}
	for _, algorithm := range c.Algorithms {
		if !contains(algorithms, algorithm) {
			return errors.New("verifier: Algorithms may be ES256, RS256 and EdDSA")
		}
	}
	for _, policy := range []*Policy{&c.OnStaleStatus, &c.OnMissingStatus} {
		setDefault(policy, Allow)
		if *policy != Allow && *policy != Refuse {
			return errors.New("verifier: a Policy is Allow or Refuse")
		}
	}
	c.Audience = slices.Clone(c.Audience)
	c.Algorithms = slices.Clone(c.Algorithms)
	if len(c.Algorithms) == 0 {
		c.Algorithms = algorithms
	}
	setDefault(&c.BaseURL, c.Issuer)
	setDefault(&c.ClockTolerance, 5*time.Second)
	c.ClockTolerance = max(0, c.ClockTolerance)
	setDefault(&c.MaxStale, 24*time.Hour)
	setDefault(&c.Wait, 2*time.Second)
	setDefault(&c.FetchTimeout, 5*time.Second)
	setDefault(&c.HTTPClient, &http.Client{})
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

func setDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// newReport tells the service what fails in the background; one that does not listen finds the first in its log.
func newReport(onFailure func(Failure)) func(part, url string, err error) {
	var once sync.Once
	return func(part, url string, err error) {
		if onFailure == nil {
			once.Do(func() {
				slog.Warn("the verifier tries again after a failure (OnFailure is told of each)", "part", part, "url", url, "error", err)
			})
			return
		}
		defer func() { _ = recover() }() // A fault in the service's own logging must not end the polling.
		onFailure(Failure{part, url, err})
	}
}

// Verify gives the claims of a good token of a live session; any error is an *Error.
func (v *Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	payload, refusal := v.tokens.open(ctx, token, accessToken)
	if refusal != nil {
		return Claims{}, refusal
	}
	claims, status, refusal := readClaims(payload)
	if refusal != nil {
		return Claims{}, refusal
	}
	if refusal := v.requireLiveSession(ctx, status, claims.ExpiresAt); refusal != nil {
		return Claims{}, refusal
	}
	return claims, nil
}

func (v *Verifier) requireLiveSession(ctx context.Context, status *statusReference, exp time.Time) *Error {
	if status == nil {
		if v.config.OnMissingStatus == Refuse {
			return missingClaim("status")
		}
		return nil
	}
	session, refusal := v.lists.lookUp(ctx, status, exp)
	switch {
	case refusal != nil:
		return refusal
	case session == ended:
		return refuse(SessionEnded, "the session has ended")
	case session == unknown && v.config.OnStaleStatus == Refuse:
		return refuse(StatusUnavailable, "the session's status cannot be fetched")
	}
	return nil
}

// VerifyEvent gives what a security event token of the gateway says (RFC 8417), for whoever receives them by push (RFC 8935)
// or poll (RFC 8936). An access token is never taken for an event, nor an event for one.
func (v *Verifier) VerifyEvent(ctx context.Context, jwt string) (Event, error) {
	payload, refusal := v.tokens.open(ctx, jwt, securityEvent)
	if refusal != nil {
		return Event{}, refusal
	}
	event, refusal := readEvent(payload)
	if refusal != nil {
		return Event{}, refusal
	}
	return event, nil
}

// Ready loads keys and status lists before the first request; it fails with KeysUnavailable, and the background goes on trying.
func (v *Verifier) Ready(ctx context.Context) error {
	select {
	case <-v.keys.refresher.refresh():
	case <-ctx.Done():
		return ctx.Err()
	}
	if v.keys.fresh() == nil {
		return v.keys.unavailable()
	}
	aggregation := v.keys.statusListAggregation()
	if aggregation == "" {
		return nil
	}
	if err := v.lists.preload(ctx, aggregation); err != nil {
		v.lists.onFailure(aggregation, err)
	}
	return nil
}

// State is for a health page.
func (v *Verifier) State() State {
	return State{Usable: v.keys.fresh() != nil, Keys: v.keys.state(), Lists: v.lists.state()}
}

// Close stops the background work; Verify goes on with what is known.
func (v *Verifier) Close() {
	v.cancel()
	v.keys.refresher.stop()
	v.lists.each(func(list *trackedList) { list.refresher.stop() })
}
