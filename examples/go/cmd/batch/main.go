// Batch is what cron starts every minute: it never overlaps with itself, and calls a partner at a rate that it shares
// with everybody else who calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	sluice "sluice.example/go"
)

func main() {
	rate := sluice.Rate{Count: 1, Per: time.Second, Burst: 1}
	flag.Var(&rate, "rate", "how many calls in which time, over all processes")
	server := flag.String("redis", "redis://127.0.0.1:6379", "Redis or Valkey with the module")
	partner := flag.String("partner", "http://127.0.0.1:8080/", "whom to call")
	calls := flag.Int("calls", 10, "how many calls a run makes")
	key := flag.String("lock", "lock:batch", "the key of the lock")
	lease := flag.Duration("lease", 30*time.Second, "how long the lock outlives a crash; renewed every third of that")
	wait := flag.Duration("wait", 0, "how long to wait for the lock")
	flag.Parse()

	options, err := sluice.Options(*server)
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(options)
	limiter := &sluice.Limiter{
		Redis: client,
		Count: rate.Count, Per: rate.Per, Burst: rate.Burst,
		MaxWait: 30 * time.Second, Deadline: *lease / 6,
	}
	locker := sluice.NewLocker(client, *lease/6)
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	switch err := locker.LockWithin(stop, *key, *lease, *wait); {
	case errors.Is(err, sluice.ErrAlreadyLocked):
		fmt.Println("another run is at it")
		return
	case err != nil:
		log.Fatal(err)
	}
	err = work(stop, locker, limiter, *key, *lease, *partner, *calls)
	switch unlocked := locker.Unlock(*key); {
	case errors.Is(unlocked, sluice.ErrNotLocked):
		fmt.Println("the lock is lost")
		os.Exit(3)
	case unlocked != nil:
		log.Printf("the lock is free in %v at the latest: %v", *lease, unlocked)
	}
	if err != nil && stop.Err() == nil {
		log.Fatal(err)
	}
	fmt.Println("unlocked")
}

// work makes the calls, each in its turn, while the lock is ours.
func work(ctx context.Context, locker *sluice.Locker, limiter *sluice.Limiter, key string, lease time.Duration,
	partner string, calls int) error {
	fence := locker.Fence(key)
	ctx, done := locker.Keep(ctx, key, lease)
	defer done()
	for n := 1; n <= calls; n++ {
		if err := limiter.Wait(ctx, "limit:partner", 1); err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, partner, http.NoBody)
		if err != nil {
			return err
		}
		request.Header.Set("Fence", fmt.Sprint(fence))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK { // perhaps it has seen a higher fence
			return fmt.Errorf("call %d: %s", n, response.Status)
		}
		fmt.Printf("call %d with fence %d\n", n, fence)
	}
	return nil
}
