package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

const (
	keysLive  = 5 * time.Minute
	fetchWait = 30 * time.Second // Between fetches for a key that is not there: an attacker chooses the kid.
)

// outage says that the keys could not be had, which is not the token's fault.
type outage struct{ cause error }

func (o *outage) Error() string { return "the signing keys cannot be had: " + o.cause.Error() }

// keySet holds the gateway's published keys and fetches them again when they are old or one is not among them.
type keySet struct {
	url    string
	client *http.Client

	mutex     sync.Mutex
	keys      map[string]*ecdsa.PublicKey
	fetchedAt time.Time
	triedAt   time.Time
}

func (s *keySet) find(token *jwt.Token) (any, error) {
	kid, _ := token.Header["kid"].(string)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	key, known := s.keys[kid]
	old := time.Since(s.fetchedAt) > keysLive
	if (old || !known) && (s.keys == nil || time.Since(s.triedAt) > fetchWait) {
		s.triedAt = time.Now()
		if keys, err := s.fetch(); err == nil {
			s.keys, s.fetchedAt = keys, time.Now()
			key, known = keys[kid]
		} else if !known {
			return nil, &outage{err}
		} // While the gateway is away, the keys we have go on.
	}
	if !known {
		return nil, errors.New("unknown kid")
	}
	return key, nil
}

func (s *keySet) fetch() (map[string]*ecdsa.PublicKey, error) {
	reply, err := s.client.Get(s.url)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d", reply.StatusCode)
	}
	var document struct {
		Keys []struct{ Kid, Kty, Crv, X, Y string }
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, reply.Body, 1<<20)).Decode(&document); err != nil {
		return nil, err
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, jwk := range document.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(jwk.X)
		y, errY := base64.RawURLEncoding.DecodeString(jwk.Y)
		if jwk.Kty != "EC" || jwk.Crv != "P-256" || errX != nil || errY != nil {
			continue
		}
		keys[jwk.Kid] = &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
	}
	return keys, nil
}
