package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// politeConnector adapts the pool to the connections that the server grants. Each refused
// connection shrinks the pool by one, and requests queue for the others. After a while the
// pool may grow again.
type politeConnector struct {
	driver.Connector
	pool atomic.Pointer[sql.DB]
	most int

	mu      sync.Mutex
	refused time.Time // the last refusal
	limit   int       // of the pool, 0 = most
}

// growAfter is the time after the last refusal until the pool may grow.
const growAfter = 30 * time.Second

// Connect implements driver.Connector.
func (p *politeConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err == nil {
		p.grow()
		return conn, nil
	}
	if tooManyConnections(err) && p.shrink() {
		return nil, driver.ErrBadConn // the pool retries and waits for a connection
	}
	return nil, err
}

// shrink lowers the limit of the pool by one and reports whether any connection is left.
func (p *politeConnector) shrink() bool {
	pool := p.pool.Load()
	if pool == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = time.Now()
	if p.limit == 0 {
		p.limit = p.most
	}
	if p.limit == 1 {
		return false
	}
	p.limit--
	pool.SetMaxOpenConns(p.limit)
	return true
}

func (p *politeConnector) grow() {
	pool := p.pool.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limit != 0 && pool != nil && time.Since(p.refused) > growAfter {
		p.limit = 0
		pool.SetMaxOpenConns(p.most)
	}
}

func tooManyConnections(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == 1040 || e.Number == 1203 || e.Number == 1226)
}
