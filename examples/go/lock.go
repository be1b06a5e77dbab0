package sluice

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

var (
	// ErrAlreadyLocked says that somebody holds the lock, perhaps this very Locker.
	ErrAlreadyLocked = errors.New("already locked")
	// ErrNotLocked says that the lock is not ours any more: its lease has ended, and somebody else may have it.
	ErrNotLocked = errors.New("not locked")
)

// Locker holds locks by their keys. Each attempt has an owner of its own, so that nobody unlocks what somebody else has
// locked. Within a process a key is locked until Unlock, like a sync.Mutex; between processes the lease decides.
type Locker struct {
	calls, waits *redis.Client // those who wait keep a connection each, which nobody else may need
	deadline     time.Duration

	mu   sync.Mutex
	held map[string]lease
}

type lease struct {
	owner string
	fence int64
	until time.Time // it has not ended before, whatever became of replies
}

// NewLocker makes a Locker over the client's server, which has so long for an answer.
func NewLocker(client *redis.Client, deadline time.Duration) *Locker {
	options := *client.Options()
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1 // sent a second time, TRY and ACQUIRE are refused because of the first
	calls, waits := options, options
	return &Locker{redis.NewClient(&calls), redis.NewClient(&waits), deadline, sync.Mutex{}, map[string]lease{}}
}

// Close closes the connections. What is still locked is free when its lease ends.
func (l *Locker) Close() error {
	_ = l.waits.Close()
	return l.calls.Close()
}

// Lock takes the lock for that long if it is free, and answers ErrAlreadyLocked at once if it is not.
func (l *Locker) Lock(key string, duration time.Duration) error {
	return l.LockWithin(context.Background(), key, duration, 0)
}

// LockWithin is Lock, and waits for it that long: in the server, first come, first served, until ctx ends.
func (l *Locker) LockWithin(ctx context.Context, key string, duration, wait time.Duration) error {
	// The owner is there before anything is sent: if the reply is lost, the lock can be extended and released.
	mine := lease{owner: uuid.NewString()}
	if !l.reserve(key, mine) {
		return ErrAlreadyLocked
	}
	err := l.acquire(ctx, key, &mine, duration, wait)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		l.put(key, mine)
		return nil
	}
	if !errors.Is(err, ErrAlreadyLocked) {
		_, _ = l.call("LOCK.RELEASE", key, mine.owner) // it may have been granted all the same
	}
	l.forget(key)
	return err
}

func (l *Locker) acquire(ctx context.Context, key string, mine *lease, duration, wait time.Duration) error {
	sent := time.Now()
	var reply []int64
	var err error
	if wait <= 0 {
		reply, err = ints(l.call("LOCK.TRY", key, mine.owner, "PX", duration.Milliseconds()))
	} else {
		reply, err = l.wait(ctx, key, mine.owner, duration, wait)
	}
	switch {
	case err == nil && reply[0] == 0:
		return ErrAlreadyLocked
	case err == nil && wait <= 0:
		mine.fence, mine.until = reply[1], sent.Add(duration)
		return nil
	case err != nil && answered(err):
		return err
	}
	// Either no reply, and EXTEND tells whether the lock is ours; or a lease that began while we waited, at a moment
	// that only the server knows, and EXTEND makes it begin now.
	if truth := l.extend(key, mine, duration); err == nil || truth == nil {
		return truth
	}
	return err
}

// wait is one ACQUIRE. When ctx ends, RELEASE cancels it, and it is answered 0.
func (l *Locker) wait(ctx context.Context, key, owner string, duration, wait time.Duration) ([]int64, error) {
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-ctx.Done():
			_, _ = l.call("LOCK.RELEASE", key, owner)
		case <-over:
		}
	}()
	// A read has to outlast BLOCK, and yet to end: a server that has vanished does not close the connection.
	block := wait.Milliseconds() + 1 // BLOCK 0 would have no end
	reply, err := ints(l.waits.WithTimeout(wait+l.deadline).Do(context.Background(),
		"LOCK.ACQUIRE", key, owner, "PX", duration.Milliseconds(), "BLOCK", block).Result())
	close(over)
	<-watched
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return reply, err
}

// Unlock frees the lock for the next. ErrNotLocked: it was not ours any more, and what somebody else holds stays held.
func (l *Locker) Unlock(key string) error {
	mine, ok := l.get(key)
	if !ok {
		return ErrNotLocked
	}
	defer l.forget(key)
	released, err := l.call("LOCK.RELEASE", key, mine.owner)
	if err != nil && !answered(err) { // once more: what is free already stays free
		_, err = l.call("LOCK.RELEASE", key, mine.owner)
		return err
	}
	if err == nil && released != int64(1) {
		return ErrNotLocked
	}
	return err
}

// Fence is a number larger than that of every lock granted before, or 0 if the lock is not ours. Send it along, and let
// what the lock protects refuse a smaller one than it has seen: no clock of ours can make sure of that.
func (l *Locker) Fence(key string) int64 {
	mine, _ := l.get(key)
	return mine.fence
}

// Keep renews the lock for a duration each third of it, until stop is called. The context ends when the lock is lost:
// when the server says so, or when it has not answered for the length of a lease.
func (l *Locker) Keep(ctx context.Context, key string, duration time.Duration) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	mine, _ := l.get(key)
	expiry, ended := time.AfterFunc(time.Until(mine.until), cancel), make(chan struct{})
	go func() {
		defer close(ended)
		defer expiry.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(duration / 3):
			}
			switch err := l.extend(key, &mine, duration); {
			case errors.Is(err, ErrNotLocked):
				cancel()
			case err == nil:
				expiry.Reset(time.Until(mine.until))
			}
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

func (l *Locker) extend(key string, mine *lease, duration time.Duration) error {
	sent := time.Now()
	reply, err := ints(l.call("LOCK.EXTEND", key, mine.owner, "PX", duration.Milliseconds()))
	switch {
	case err != nil:
		return err
	case reply[0] == 0:
		return ErrNotLocked
	}
	mine.fence, mine.until = reply[1], sent.Add(duration)
	return nil
}

func (l *Locker) call(words ...interface{}) (interface{}, error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.deadline)
	defer cancel()
	return l.calls.Do(ctx, words...).Result()
}

func (l *Locker) reserve(key string, mine lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, taken := l.held[key]
	if !taken {
		l.held[key] = mine
	}
	return !taken
}

func (l *Locker) get(key string) (lease, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine, ok := l.held[key]
	return mine, ok
}

func (l *Locker) put(key string, mine lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[key] = mine
}

func (l *Locker) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, key)
}

// ints are the three of TRY, ACQUIRE and EXTEND.
func ints(reply interface{}, err error) ([]int64, error) {
	cmd := redis.NewCmdResult(reply, err)
	return cmd.Int64Slice()
}

// answered tells an error that the server has answered from one that says nothing about what it did.
func answered(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer)
}
