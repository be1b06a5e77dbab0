package sluice

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
)

// connect makes a client of the server that REDIS_URL names; without one, nothing is tested.
func connect(t *testing.T) *redis.Client {
	t.Helper()
	url := os.Getenv("REDIS_URL")
	if url == "" {
		t.Skip("REDIS_URL names no server with the module")
	}
	options, err := Options(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func limiter(t *testing.T) (*Limiter, string) {
	key := "limit:" + uuid.NewString()
	return &Limiter{
		Redis: connect(t),
		Count: 1, Per: time.Hour, Burst: 1,
		MaxWait: time.Minute, Deadline: 10 * time.Second,
		Key: func(echo.Context) string { return key },
	}, key
}

func TestWhoGivesUpLeavesTheTurnToOthers(t *testing.T) {
	l, key := limiter(t)
	l.Per = 2 * time.Second
	ctx, hangUp := context.WithCancel(context.Background())
	if err := l.Wait(ctx, key, 1); err != nil {
		t.Fatal(err)
	}
	before := l.Redis.Get(ctx, key).Val()
	waiting := make(chan error)
	go func() { waiting <- l.Wait(ctx, key, 1) }()
	for l.Redis.Get(context.Background(), key).Val() == before {
		time.Sleep(time.Millisecond)
	}
	hangUp()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if after := l.Redis.Get(context.Background(), key).Val(); after != before {
		t.Fatalf("%s became %s", before, after)
	}
}

func TestWhatIsAnsweredWithoutATurn(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(l *Limiter, key string)
		status int
		retry  string
	}{
		{"free", func(*Limiter, string) {}, http.StatusOK, ""},
		{"full", func(l *Limiter, key string) { _ = l.Wait(context.Background(), key, 1) }, 429, "3540"},
		{"never", func(l *Limiter, _ string) { l.Cost = func(echo.Context) int64 { return 2 } }, 413, ""},
		{"wrong type", func(l *Limiter, key string) { l.Redis.HSet(context.Background(), key, "a", "b") }, 500, ""},
		{"above max-wait-ms", func(l *Limiter, _ string) { l.MaxWait, l.Open = time.Hour, true }, 500, ""},
		{"out of reach", func(l *Limiter, _ string) { l.Redis = nowhere() }, 503, ""},
		{"out of reach, open", func(l *Limiter, _ string) { l.Redis, l.Open = nowhere(), true }, 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			l, key := limiter(t)
			row.change(l, key)
			e := echo.New()
			e.POST("/", func(c echo.Context) error { return c.String(200, "passed") }, l.Middleware)
			response := httptest.NewRecorder()
			e.ServeHTTP(response, httptest.NewRequest("POST", "/", strings.NewReader("a body")))
			// The queue has moved by less than a second since.
			retry := response.Header().Get(echo.HeaderRetryAfter)
			if response.Code != row.status || retry != row.retry {
				t.Errorf("%d, Retry-After %q", response.Code, retry)
			}
		})
	}
}

func nowhere() redis.UniversalClient {
	return redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
}

func TestABodyThatWasReadAheadIsWhole(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 1 << 20} {
		l, _ := limiter(t)
		e := echo.New()
		body := strings.Repeat("x", size)
		e.POST("/", func(c echo.Context) error { return c.Stream(200, "text/plain", c.Request().Body) }, l.Middleware)
		response := httptest.NewRecorder()
		e.ServeHTTP(response, httptest.NewRequest("POST", "/", strings.NewReader(body)))
		if response.Code != 200 || response.Body.String() != body {
			t.Errorf("%d bytes: %d, %d bytes", size, response.Code, response.Body.Len())
		}
	}
}
