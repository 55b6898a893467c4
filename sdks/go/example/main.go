// A service behind the gateway: GET /me answers with the user of the token. ISSUER, AUDIENCE and PORT configure it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"authgateway.internal/verifier"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	v, err := verifier.New(ctx, verifier.Config{Issuer: os.Getenv("ISSUER"), Audience: []string{os.Getenv("AUDIENCE")}})
	if err != nil {
		log.Fatal(err)
	}
	if err := v.Ready(ctx); err != nil {
		log.Print(err) // The service starts all the same; the background goes on trying.
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, request *http.Request) {
		claims, err := v.Authenticate(request)
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			reason := verifier.ReasonOf(err)
			w.WriteHeader(reason.Status())
			_ = json.NewEncoder(w).Encode(map[string]any{"reason": reason})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"sub": claims.Subject})
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
