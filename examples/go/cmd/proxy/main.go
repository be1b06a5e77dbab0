// Proxy passes requests on to an upstream, no faster than a rate that all replicas share.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/signal"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
	sluice "sluice.example/go"
)

func main() {
	rate := sluice.Rate{Count: 2, Per: time.Second, Burst: 1}
	flag.Var(&rate, "rate", "how many requests pass in which time, and with :N how many of them at once")
	listen := flag.String("listen", "127.0.0.1:8088", "where to listen; port 0 takes a free one")
	upstream := flag.String("upstream", "http://127.0.0.1:8080", "where requests are passed on to")
	server := flag.String("redis", "redis://127.0.0.1:6379", "Redis or Valkey with the module")
	key := flag.String("key", "proxy:all", "the key of the limit, which replicas share")
	wait := flag.Duration("max-wait", 30*time.Second, "the longest wait for a turn; a longer queue is answered 429")
	deadline := flag.Duration("deadline", 250*time.Millisecond, "how long Redis has for an answer")
	open := flag.Bool("open", false, "pass everything while Redis is out of reach, in place of 503")
	grace := flag.Duration("grace", time.Minute, "how long those who wait have to finish after SIGTERM")
	flag.Parse()

	target, err := url.Parse(*upstream)
	if err != nil {
		log.Fatal(err)
	}
	options, err := sluice.Options(*server)
	if err != nil {
		log.Fatal(err)
	}
	limiter := &sluice.Limiter{
		Redis: redis.NewClient(options),
		Count: rate.Count, Per: rate.Per, Burst: rate.Burst,
		MaxWait: *wait, Deadline: *deadline, Open: *open,
		Key: func(echo.Context) string { return *key },
	}

	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Server.ReadHeaderTimeout = 10 * time.Second
	e.Use(logFailures, limiter.Middleware)
	e.Any("/*", echo.WrapHandler(httputil.NewSingleHostReverseProxy(target)))
	if e.Listener, err = net.Listen("tcp", *listen); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%v: %v to %v\n", e.Listener.Addr(), &rate, target)

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	stopped := make(chan error)
	go func() {
		<-stop.Done()
		finish, cancel := context.WithTimeout(context.Background(), *grace)
		defer cancel()
		stopped <- e.Shutdown(finish)
	}()
	if err := e.Start(""); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
}

// logFailures says why a request was not passed on.
func logFailures(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		if err != nil {
			log.Printf("%s %s: %v", c.Request().Method, c.Request().URL.Path, err)
		}
		return err
	}
}
