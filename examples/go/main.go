// A service that checks the gateway's tokens with golang-jwt; ended sessions are let in until their token expires.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

var (
	issuer   = variable("ISSUER", "http://localhost:8080")
	audience = variable("AUDIENCE", issuer)
	bearer   = regexp.MustCompile(`(?i)^Bearer +(\S+)$`)
)

func main() {
	keys := &keySet{url: issuer + "/.well-known/jwks.json", client: &http.Client{Timeout: 5 * time.Second}}
	http.Handle("/orders", requireUser(keys, http.HandlerFunc(orders)))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+variable("PORT", "3000"), nil))
}

func orders(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"user_id": r.Context().Value(userID{})})
}

type userID struct{}

func requireUser(keys *keySet, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		match := bearer.FindStringSubmatch(r.Header.Get("Authorization"))
		if match == nil {
			refuse(w, http.StatusUnauthorized)
			return
		}
		subject, err := verify(keys, match[1])
		var outage *outage
		switch {
		case errors.As(err, &outage):
			refuse(w, http.StatusServiceUnavailable)
		case err != nil:
			refuse(w, http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userID{}, subject)))
		}
	})
}

func verify(keys *keySet, raw string) (string, error) {
	var claims jwt.RegisteredClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}))
	if _, err := parser.ParseWithClaims(raw, &claims, keys.find); err != nil {
		return "", err
	}
	// Version 4 looks at exp, if there is one; the rest is ours. Version 5 has a parser option for each.
	if claims.ExpiresAt == nil || claims.Subject == "" {
		return "", errors.New("exp or sub is missing")
	}
	if !claims.VerifyIssuer(issuer, true) || !claims.VerifyAudience(audience, true) {
		return "", errors.New("the token is of another issuer or for another audience")
	}
	return claims.Subject, nil
}

// An outage is not the user's fault: a client that is told 401 logs its user out.
func refuse(w http.ResponseWriter, status int) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	} else {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	w.WriteHeader(status)
}

func variable(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
