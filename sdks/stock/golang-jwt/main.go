// A service that checks tokens with golang-jwt and lets keyfunc fetch the keys.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

func main() {
	issuer, audience := os.Getenv("ISSUER"), os.Getenv("AUDIENCE")
	override := keyfunc.Override{}
	if seconds, err := strconv.Atoi(os.Getenv("CACHE_SECONDS")); err == nil {
		override.RefreshInterval = time.Duration(seconds) * time.Second // its default is an hour
	}
	keys, err := keyfunc.NewDefaultOverrideCtx(context.Background(), []string{issuer + "/.well-known/jwks.json"}, override)
	if err != nil {
		panic(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuer),
		jwt.WithAudience(audience), jwt.WithExpirationRequired())

	http.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !found {
			answer(w, http.StatusUnauthorized, "reason", "token_missing")
			return
		}
		var claims jwt.RegisteredClaims
		if _, err := parser.ParseWithClaims(token, &claims, keys.Keyfunc); err != nil {
			answer(w, statusOf(err, keys), "reason", err.Error())
			return
		}
		answer(w, http.StatusOK, "sub", claims.Subject)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

// statusOf tells an outage from a bad token: keyfunc's errors do not, but with no key at all no token can be judged.
func statusOf(err error, keys keyfunc.Keyfunc) int {
	if errors.Is(err, jwt.ErrTokenUnverifiable) {
		if all, err := keys.Storage().KeyReadAll(context.Background()); err != nil || len(all) == 0 {
			return http.StatusServiceUnavailable
		}
	}
	return http.StatusUnauthorized
}

func answer(w http.ResponseWriter, status int, name, value string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{name: value})
}
