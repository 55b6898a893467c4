// A service that checks tokens with go-oidc as it comes: discovery, its own set of keys, nothing else configured.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
)

var (
	lock     sync.Mutex
	verifier *oidc.IDTokenVerifier
)

// discovered gives the verifier, which needs the gateway once: NewProvider reads its metadata.
func discovered() (*oidc.IDTokenVerifier, error) {
	lock.Lock()
	defer lock.Unlock()
	if verifier != nil {
		return verifier, nil
	}
	provider, err := oidc.NewProvider(context.Background(), os.Getenv("ISSUER"))
	if err != nil {
		return nil, err
	}
	verifier = provider.Verifier(&oidc.Config{ClientID: os.Getenv("AUDIENCE")}) // compared with aud
	return verifier, nil
}

func me(w http.ResponseWriter, r *http.Request) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		answer(w, http.StatusUnauthorized, "reason", "token_missing")
		return
	}
	v, err := discovered()
	if err != nil {
		answer(w, http.StatusServiceUnavailable, "reason", err.Error())
		return
	}
	verified, err := v.Verify(r.Context(), token)
	if err != nil {
		answer(w, http.StatusUnauthorized, "reason", err.Error())
		return
	}
	answer(w, http.StatusOK, "sub", verified.Subject)
}

func answer(w http.ResponseWriter, status int, name, value string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{name: value})
}

func main() {
	http.HandleFunc("GET /me", me)
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
