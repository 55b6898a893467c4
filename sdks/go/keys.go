package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	unknownKidInterval = 30 * time.Second
	defaultMaxAge      = 300 * time.Second
	longestMaxAge      = time.Hour
	maxJSONBytes       = 256 * 1024
)

// keySet is the gateway's public keys, kept in memory, so that finding one costs a map lookup.
type keySet struct {
	issuer, configurationURL string
	source                   *source
	algorithms               []string
	maxStale, wait           time.Duration
	onFailure                func(url string, err error)
	refresher                *refresher
	current                  atomic.Pointer[keyring]

	mu             sync.Mutex
	metadata       *metadata
	etag           string
	maxAge         time.Duration
	unknownKidAt   time.Time
	unknownKidDone <-chan struct{}
}

// keyring is what one successful fetch gave; its time is monotonic, so that setting the process's clock changes nothing.
type keyring struct {
	keys      map[string]*publicKey
	fetchedAt time.Time
}

type metadata struct{ jwksURI, statusListAggregation string }

func newKeySet(ctx context.Context, config *Config, source *source, onFailure func(string, error)) *keySet {
	k := &keySet{
		issuer:           config.Issuer,
		configurationURL: strings.TrimSuffix(config.Issuer, "/") + "/.well-known/openid-configuration",
		source:           source,
		algorithms:       config.Algorithms,
		maxStale:         config.MaxStale,
		wait:             config.Wait,
		onFailure:        onFailure,
		maxAge:           defaultMaxAge,
	}
	k.refresher = &refresher{ctx: ctx, load: k.load, onFailure: func(err error) {
		k.mu.Lock()
		url := k.configurationURL
		if k.metadata != nil {
			url = k.metadata.jwksURI
		}
		k.metadata = nil // The JWKS may have moved: ask again where it is.
		k.mu.Unlock()
		onFailure(url, err)
	}}
	return k
}

func (k *keySet) load(ctx context.Context) (time.Duration, error) {
	known, err := k.discover(ctx)
	if err != nil {
		return 0, err
	}
	k.mu.Lock()
	etag := k.etag
	k.mu.Unlock()
	answer, err := k.source.get(ctx, known.jwksURI, "application/json", maxJSONBytes, etag)
	if err != nil {
		return 0, err
	}
	ring := &keyring{fetchedAt: time.Now()}
	if previous := k.current.Load(); previous != nil {
		ring.keys = previous.keys
	}
	if answer.changed {
		ring.keys, err = importKeys(answer.body, k.algorithms, func(err error) { k.onFailure(known.jwksURI, err) })
		if err != nil {
			return 0, fmt.Errorf("%s: %w", known.jwksURI, err)
		}
	}
	k.mu.Lock()
	if answer.changed {
		k.etag = answer.etag
		// A key leaves this set when it leaves the JWKS, so no reply may be kept for long, whatever it says.
		k.maxAge = min(answer.maxAge, longestMaxAge)
		if k.maxAge == 0 {
			k.maxAge = defaultMaxAge
		}
	}
	due := k.maxAge
	k.mu.Unlock()
	k.current.Store(ring)
	if clock := k.source.clockError(); clock != "" {
		k.onFailure(known.jwksURI, errors.New(clock))
	}
	return due, nil
}

// discover reads the metadata, once until a fetch fails. OpenID Connect Discovery 1.0 section 4.3: the document must name
// the very issuer it was asked for.
func (k *keySet) discover(ctx context.Context) (*metadata, error) {
	k.mu.Lock()
	known := k.metadata
	k.mu.Unlock()
	if known != nil {
		return known, nil
	}
	answer, err := k.source.get(ctx, k.configurationURL, "application/json", maxJSONBytes, "")
	if err != nil {
		return nil, err
	}
	var document map[string]any
	if json.Unmarshal(answer.body, &document) != nil {
		return nil, fmt.Errorf("%s is no metadata", k.configurationURL)
	}
	if found := document["issuer"]; found != k.issuer {
		return nil, fmt.Errorf("%s is the metadata of the issuer %.200q, this verifier is for %q", k.configurationURL, fmt.Sprint(found), k.issuer)
	}
	uri, ok := document["jwks_uri"].(string)
	if !ok {
		return nil, fmt.Errorf("%s names no jwks_uri", k.configurationURL)
	}
	aggregation, _ := document["status_list_aggregation_endpoint"].(string)
	known = &metadata{uri, aggregation}
	k.mu.Lock()
	k.metadata = known
	k.mu.Unlock()
	return known, nil
}

// fresh gives the keys while they are not too old.
func (k *keySet) fresh() *keyring {
	ring := k.current.Load()
	if ring == nil || time.Since(ring.fetchedAt) >= k.maxStale {
		return nil
	}
	return ring
}

func (k *keySet) unavailable() *Error {
	err := k.refresher.err()
	if err == nil {
		return refuse(KeysUnavailable, "the signing keys cannot be fetched: "+k.configurationURL+" has not answered yet")
	}
	return &Error{KeysUnavailable, "the signing keys cannot be fetched: " + err.Error(), err}
}

// find gives the key that a token names; at once when it is known.
func (k *keySet) find(ctx context.Context, header map[string]any) (*publicKey, *Error) {
	kid, ok := header["kid"].(string)
	if !ok {
		return nil, refuse(KeyUnknown, "the token names no key")
	}
	var key *publicKey
	if ring := k.fresh(); ring != nil {
		key = ring.keys[kid]
	}
	if key == nil {
		var refusal *Error
		if key, refusal = k.findAfterFetch(ctx, kid); refusal != nil {
			return nil, refusal
		}
	}
	if header["alg"] != key.alg {
		return nil, refuse(AlgorithmRefused, "the token was not signed with the algorithm of its key")
	}
	return key, nil
}

// findAfterFetch is the one exception to "no call on the request path": there are no keys yet, or the token names a key that
// was never seen. The gateway publishes a key a day before it signs, so a good token gets here after an emergency rotation only.
func (k *keySet) findAfterFetch(ctx context.Context, kid string) (*publicKey, *Error) {
	if k.fresh() == nil {
		k.refresher.settle(ctx, k.wait)
	} else {
		k.fetchUnknownKid(ctx)
	}
	ring := k.fresh()
	if ring == nil {
		return nil, k.unavailable()
	}
	if key := ring.keys[kid]; key != nil {
		return key, nil
	}
	if k.refresher.failing() {
		return nil, k.unavailable()
	}
	return nil, refuse(KeyUnknown, "the token is signed by no published key")
}

func (k *keySet) fetchUnknownKid(ctx context.Context) {
	k.mu.Lock()
	if k.unknownKidAt.IsZero() || time.Since(k.unknownKidAt) >= unknownKidInterval {
		k.unknownKidAt = time.Now()
		k.unknownKidDone = nil
		if !k.refresher.failing() {
			k.unknownKidDone = k.refresher.refresh()
		}
	}
	done := k.unknownKidDone // Done long ago, or shared with the request that started it.
	k.mu.Unlock()
	if done != nil {
		awaitDone(ctx, done, k.wait)
	}
}

func (k *keySet) statusListAggregation() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.metadata == nil {
		return ""
	}
	return k.metadata.statusListAggregation
}

func (k *keySet) state() KeysState {
	state := KeysState{Failing: k.refresher.failing()}
	if ring := k.current.Load(); ring != nil {
		state.Kids = slices.Sorted(maps.Keys(ring.keys))
		state.Age = time.Since(ring.fetchedAt)
	}
	return state
}
