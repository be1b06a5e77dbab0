// Package sluice holds a rate and a lock that all replicas of a service share, by Sluice in Redis or Valkey.
package sluice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
)

var (
	ErrTooLarge = errors.New("costs more than the limit can ever grant")
	ErrOutage   = errors.New("the limiter is out of reach")
)

// ErrFull says that the queue is longer than MaxWait, and in which time there may be room in it.
type ErrFull struct{ RetryAfter time.Duration }

func (e ErrFull) Error() string { return fmt.Sprintf("too many requests, retry in %v", e.RetryAfter) }

// Limiter lets Count requests pass Per time, all replicas together, first come, first served.
type Limiter struct {
	Redis    redis.UniversalClient // with ContextTimeoutEnabled, or Deadline is not kept, and MaxRetries -1: see Options
	Count    int64
	Per      time.Duration // whole ms
	Burst    int64         // how many may pass at once; 1 spaces them evenly
	MaxWait  time.Duration // the longest wait for a turn; 0 refuses at once
	Deadline time.Duration // how long Redis has for an answer
	Open     bool          // while Redis is out of reach: pass without a limit, or else answer 503

	Key  func(echo.Context) string // what has a rate of its own
	Cost func(echo.Context) int64  // nil: each costs 1

	down, probing atomic.Bool
}

// Middleware lets a request wait for its turn. One that hangs up meanwhile gives the turn to those behind it.
func (l *Limiter) Middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := readAhead(c.Request()); err != nil {
			return echo.NewHTTPError(http.StatusBadRequest).SetInternal(err)
		}
		cost := int64(1)
		if l.Cost != nil {
			cost = l.Cost(c)
		}
		err := l.Wait(c.Request().Context(), l.Key(c), cost)
		var full ErrFull
		switch {
		case err == nil, errors.Is(err, ErrOutage) && l.Open:
			return next(c)
		case errors.As(err, &full):
			seconds := int64((full.RetryAfter + time.Second - 1) / time.Second)
			c.Response().Header().Set(echo.HeaderRetryAfter, strconv.FormatInt(seconds, 10))
			return echo.NewHTTPError(http.StatusTooManyRequests).SetInternal(err)
		case errors.Is(err, ErrTooLarge): // no Retry-After: coming back does not help
			return echo.NewHTTPError(http.StatusRequestEntityTooLarge).SetInternal(err)
		case errors.Is(err, ErrOutage):
			return echo.NewHTTPError(http.StatusServiceUnavailable).SetInternal(err)
		case c.Request().Context().Err() != nil: // nobody is there to read it, but the log is
			return echo.NewHTTPError(499, "client closed request").SetInternal(err)
		}
		return err // the module is not loaded, MaxWait is above sluice.max-wait-ms, ...: 500
	}
}

// Wait returns when it is this caller's turn: now, or after MaxWait at most. If ctx ends first, the turn is given back.
func (l *Limiter) Wait(ctx context.Context, key string, cost int64) error {
	limit := []interface{}{"LIMIT", l.Count, "PX", l.Per.Milliseconds(), "BURST", l.Burst, "COST", cost}
	reply, err := l.ask("RATELIMIT.ACQUIRE", key, append(limit, "MAXWAIT", l.MaxWait.Milliseconds()))
	if err != nil {
		return err
	}
	granted, wait, actUS := reply[0] == 1, time.Duration(reply[1])*time.Millisecond, reply[6]
	switch {
	case !granted && wait < 0:
		return ErrTooLarge
	case !granted: // there is room in the queue as soon as its end is no more than MaxWait away
		return ErrFull{RetryAfter: wait - l.MaxWait}
	}
	turn := time.NewTimer(wait)
	defer turn.Stop()
	select {
	case <-turn.C:
		return nil
	case <-ctx.Done():
		_, _ = l.ask("RATELIMIT.RETURN", key, append(limit, "AT", actUS)) // if it fails, the turn lapses
		return ctx.Err()
	}
}

// ask sends a command that a client's hanging up does not interrupt: the turn in a reply that nobody reads is lost.
func (l *Limiter) ask(name, key string, words []interface{}) ([]int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.Deadline)
	defer cancel()
	// In an outage one at a time asks whether it is over, by what takes no turn. A server that was stopped for a moment
	// carries out all that was sent to it meanwhile: turns for callers who were told 503 long ago.
	if l.down.Load() {
		if !l.probing.CompareAndSwap(false, true) {
			return nil, ErrOutage
		}
		defer l.probing.Store(false)
		if err := l.Redis.Ping(ctx).Err(); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrOutage, err)
		}
	}
	reply, err := l.Redis.Do(ctx, append([]interface{}{name, key}, words...)...).Int64Slice()
	outage := err != nil && !ours(err)
	l.down.Store(outage)
	if outage {
		return nil, fmt.Errorf("%w: %v", ErrOutage, err)
	}
	return reply, err
}

// ours tells errors that we have made (no module, a wrong option, no right) from those of a server that does not
// serve now: LOADING, READONLY, CLUSTERDOWN, OOM and others.
func ours(err error) bool {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return false // nothing was answered
	}
	kind, _, _ := strings.Cut(answer.Error(), " ")
	return kind == "ERR" || kind == "WRONGTYPE" || kind == "NOPERM" || kind == "NOAUTH" || kind == "WRONGPASS"
}

// readAhead reads the first 64 KiB of the body: net/http notices that a client has hung up only when the body is read.
func readAhead(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
	return err
}

// Options are those of a client for a Limiter: its deadlines are kept, and nothing is sent twice.
func Options(url string) (*redis.Options, error) {
	options, err := redis.ParseURL(url)
	if err == nil {
		options.ContextTimeoutEnabled, options.MaxRetries = true, -1
	}
	return options, err
}
