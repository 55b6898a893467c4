package verifier

import "time"

// Event is what the gateway tells a service (RFC 8417), checked. It may come twice; ID tells.
type Event struct {
	Issuer   string
	Audience []string
	IssuedAt time.Time
	ID       string
	// Transaction is what several events of one request have in common; it may be empty.
	Transaction string
	Subject     EventSubject
	// Events say what happened, by the event's URI.
	Events map[string]map[string]any
	// All are the claims as they came, as encoding/json reads them.
	All map[string]any
}

// EventSubject says whom an event is about (RFC 9493): a user of the gateway has the format iss_sub, a session the format complex,
// of which Issuer and Subject are the user.
type EventSubject struct {
	Format          string
	Issuer, Subject string
	// All is sub_id as it came, for other formats.
	All map[string]any
}

var securityEvent = &tokenKind{"a security event token", []string{"secevent+jwt"}, []string{"iss", "aud", "iat", "jti", "sub_id", "events"}}

func readEvent(payload map[string]any) (Event, *Error) {
	// RFC 8417 section 2.2 advises against both: they make an event look like a token that lets somebody in.
	for _, name := range [...]string{"exp", "sub"} {
		if _, found := payload[name]; found {
			return Event{}, invalidClaim(name)
		}
	}
	event := Event{All: payload, IssuedAt: dateOf(payload["iat"])}
	event.Issuer, _ = payload["iss"].(string)
	event.Audience, _ = texts(payload["aud"])
	if event.ID, _ = payload["jti"].(string); event.ID == "" {
		return Event{}, invalidClaim("jti")
	}
	if transaction, found := payload["txn"]; found {
		ok := false
		if event.Transaction, ok = transaction.(string); !ok {
			return Event{}, invalidClaim("txn")
		}
	}
	subject, _ := payload["sub_id"].(map[string]any)
	event.Subject.All = subject
	event.Subject.Format, _ = subject["format"].(string)
	event.Subject.Issuer, _ = subject["iss"].(string)
	event.Subject.Subject, _ = subject["sub"].(string)
	if event.Subject.Format == "" || (event.Subject.Format == "iss_sub" && (event.Subject.Issuer == "" || event.Subject.Subject == "")) {
		return Event{}, invalidClaim("sub_id")
	}
	// A session's event names its user beside the session (SSF 1.0 section 3.2).
	if user, _ := subject["user"].(map[string]any); event.Subject.Format == "complex" && user["format"] == "iss_sub" {
		event.Subject.Issuer, _ = user["iss"].(string)
		event.Subject.Subject, _ = user["sub"].(string)
	}
	events, _ := payload["events"].(map[string]any)
	event.Events = make(map[string]map[string]any, len(events))
	for uri, value := range events {
		members, ok := value.(map[string]any)
		if !ok || members == nil {
			return Event{}, invalidClaim("events")
		}
		event.Events[uri] = members
	}
	if len(event.Events) == 0 {
		return Event{}, invalidClaim("events")
	}
	return event, nil
}
