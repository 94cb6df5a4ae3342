-- All that Formhook does in Redis. Redis runs a script alone and as a whole, so each batch is one
-- atomic step. src/store/redis.rs says what is kept under which key.
--
-- KEYS[1] is the namespace as a hash tag, so that all keys are on one node of a cluster. ARGV[1] is a
-- batch as JSON; the answer is JSON, too. Times are milliseconds by Redis' own clock: those of the
-- gateways may differ by hours.

local batch = cjson.decode(ARGV[1])
local prefix = KEYS[1] .. ':'

local function said(problem) return type(problem) == 'table' and problem.err or tostring(problem) end

-- An error says which key it is about.
local function call(command, name, ...)
  local is_done, result = pcall(redis.call, command, name, ...)
  if not is_done then error({err = said(result) .. ' (' .. command .. ' ' .. name .. ')'}) end
  return result
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mine = batch.gateway

local function key(name) return prefix .. name end

-- A time that was kept; 0 if it is to come: it was written before the clock was set back.
local function past(time)
  time = tonumber(time) or 0
  return time <= now and time or 0
end

-- A number as text: Lua's own way may write 1.7e+12.
local function digits(number) return string.format('%.0f', number) end

---------------------------------------------------------------------------------------------------
-- Webhooks: how often they failed, whether they are disabled. Every change has a version, by which
-- gateways ask for what is new.

local function webhook(id)
  local known = call('HMGET', key('webhook:' .. id), 'failures', 'disabled', 'cause', 'version')
  return {
    tonumber(known[1]) or 0, tonumber(known[2]) or 0, known[3] or '', tonumber(known[4]) or 0,
  }
end

local function set_webhook(id, state)
  local version = call('INCR', key('version'))
  state[4] = version
  call('HSET', key('webhook:' .. id),
    'failures', digits(state[1]), 'disabled', digits(state[2]), 'cause', state[3], 'version', version)
  call('ZADD', key('webhooks'), version, id)
  return state
end

-- Something happened that people are told of, of each kind at most once a minute. How often it did
-- since they were told; nil if it is too early. With nothing new: what was held back.
local function notice(id, kind, new)
  local field = id .. ' ' .. kind
  local sent, held = string.match(call('HGET', key('notices'), field) or '', '^(%d+) (%d+)$')
  sent, held = past(sent), (tonumber(held) or 0) + new
  local is_due = held > 0 and sent + 60000 <= now
  if is_due then call('HSET', key('notices'), field, digits(now) .. ' 0')
  elseif new > 0 then call('HSET', key('notices'), field, digits(sent) .. ' ' .. held) end
  return is_due and held or nil
end

local PUSH_FAILED, WARNING, DISABLED = 0, 1, 2

-- How many bytes of pushes an answer may have still. They are seven times as many once they are escaped,
-- at worst, and a gateway reads 16 MiB. One push always fits, or it would never get anywhere.
local room = 2097152

local function fits(push)
  local is_first = room == 2097152
  room = room - #push
  return is_first or room >= 0
end

---------------------------------------------------------------------------------------------------
-- The failed cache. A value is `<index member>\n<webhook>\n<push>`.

local function read_failed(id)
  local value = call('HGET', key('failed'), id)
  if not value then return nil end
  local member, hook, push = string.match(value, '^(%d+ [^\n]*)\n([^\n]*)\n(.*)$')
  return value, member, hook, push
end

local function take_failed(id)
  local value, member, hook, push = read_failed(id)
  if not value then return nil end
  call('HDEL', key('failed'), id)
  call('DECRBY', key('failed_bytes'), #value)
  -- What somebody else wrote there is forgotten.
  if not member then return nil end
  call('ZREM', key('failed_index'), member)
  call('ZREM', key('failed_index:' .. hook), member)
  if call('HINCRBY', key('failed_count'), hook, -1) <= 0 then call('HDEL', key('failed_count'), hook) end
  return push, hook
end

local dropped = {}

local function keep_failed(id, hook, push)
  local member = string.format('%015.0f ', now) .. id
  local value = member .. '\n' .. hook .. '\n' .. push
  take_failed(id)
  call('HSET', key('failed'), id, value)
  call('INCRBY', key('failed_bytes'), #value)
  call('ZADD', key('failed_index'), 0, member)
  call('ZADD', key('failed_index:' .. hook), 0, member)
  call('HINCRBY', key('failed_count'), hook, 1)
  -- The newest is worth more than what failed before.
  while call('HLEN', key('failed')) > batch.max_failed do
    local oldest = call('ZRANGE', key('failed_index'), 0, 0)[1]
    local old = oldest and string.sub(oldest, 17)
    if old and not fits(read_failed(old) or '') then break end
    local lost = old and take_failed(old)
    if not lost then
      call('ZREM', key('failed_index'), oldest or '')
      break
    end
    dropped[#dropped + 1] = lost
  end
end

-- The index members of a webhook's failed pushes, or of all, behind a cursor.
local function failed_members(hook, cursor, limit)
  local index = hook == cjson.null and key('failed_index') or key('failed_index:' .. hook)
  local from = cursor == '' and '-' or '(' .. cursor
  return call('ZRANGEBYLEX', index, from, '+', 'LIMIT', 0, limit)
end

-- The ids that a command is for: these, or the first of a webhook.
local function selected(ids, hook, limit)
  if ids ~= cjson.null then return ids end
  local found = {}
  for _, member in ipairs(failed_members(hook, '', limit)) do
    local id = string.sub(member, 17)
    found[#found + 1] = id
    if call('HEXISTS', key('failed'), id) == 0 then
      call('ZREM', key('failed_index'), member)
      call('ZREM', key('failed_index:' .. hook), member)
    end
  end
  return found
end

---------------------------------------------------------------------------------------------------
-- What a batch asks for.

local ops = {}

-- A push that is to be sent, by this gateway. 0 if another gateway had it meanwhile and it failed.
function ops.put(id, push)
  if call('HEXISTS', key('failed'), id) == 1 then
    call('HDEL', key('waiting:' .. mine), id)
    return 0
  end
  call('HSET', key('waiting:' .. mine), id, push)
  return 1
end

-- A push was delivered. In a row, that ends the failures; the new state if it does.
function ops.done(id, hook, in_a_row)
  call('HDEL', key('waiting:' .. mine), id)
  if hook == '' or in_a_row == 0 then return 0 end
  local state = webhook(hook)
  if state[1] == 0 or state[2] > 0 then return 0 end
  state[1] = 0
  return set_webhook(hook, state)
end

-- A push goes to the failed cache, uncounted. 0 if it is another's, or there already.
function ops.park(id, hook, push, was_stored)
  local waiting = key('waiting:' .. mine)
  local is_new = call('HEXISTS', key('failed'), id) == 0
  if is_new and was_stored == 1 and call('HEXISTS', waiting, id) == 0 then return 0 end
  -- First in, then out: whatever stumbles in between, it is not lost.
  if is_new then keep_failed(id, hook, push) end
  call('HDEL', waiting, id)
  return is_new and 1 or 0
end

-- The same, counted. What the count is, and what follows from it.
function ops.fail(id, hook, push, was_stored, limit, cause)
  if ops.park(id, hook, push, was_stored) == 0 then return 0 end
  local state = webhook(hook)
  state[1] = state[1] + 1
  local notices = {}
  local function tell(kind)
    local count = notice(hook, kind, 1)
    if count then notices[#notices + 1] = {kind, count} end
  end
  tell(PUSH_FAILED)
  local percent = 0
  for _, share in ipairs({50, 70, 90}) do
    if percent == 0 and state[1] == math.ceil(limit * share / 100) and state[1] < limit then
      percent = share
      tell(WARNING)
    end
  end
  local disables = state[1] >= limit and state[2] == 0
  if disables then
    state[2], state[3] = now, cause
    tell(DISABLED)
  end
  state = set_webhook(hook, state)
  state[5], state[6], state[7] = percent, disables and 1 or 0, notices
  return state
end

-- Disables a webhook at once. Its state, whether this did it, and a notice.
function ops.disable(hook, cause)
  local state = webhook(hook)
  local disables, notices = state[2] == 0, {}
  if disables then
    state[2], state[3] = now, cause
    state = set_webhook(hook, state)
    local count = notice(hook, DISABLED, 1)
    if count then notices[1] = {DISABLED, count} end
  end
  state[5], state[6], state[7] = 0, disables and 1 or 0, notices
  return state
end

-- Enables a webhook, and counts anew. Its state and whether it was disabled.
function ops.restart(hook)
  local state = webhook(hook)
  local was_disabled = state[2] > 0
  state = set_webhook(hook, {0, 0, ''})
  state[5], state[6] = 0, was_disabled and 1 or 0
  return state
end

-- Something happened so often to a webhook: the count of a notice that may go out now, or 0.
function ops.notice(hook, kind, count)
  return notice(hook, kind, count) or 0
end

-- The names that a record is found by: its op, app, form and record.
local function names(found_by)
  local all = {}
  for name in string.gmatch(found_by .. '\n', '([^\n]*)\n') do all[#all + 1] = name end
  return all
end

local function of_hook(hook, result) return 'history:' .. hook .. ':' .. result end
local function of_op(op) return 'history:op=' .. op end
local function of_form(app, form) return 'history:form=' .. app .. '/' .. form end
-- One of 1,024: Redis gives each stream 4 KB at once. Ids differ at their end.
local function of_record(record)
  local sum = 0
  for at = 1, math.min(#record, 8) do sum = (sum * 31 + string.byte(record, -at)) % 1024 end
  return 'history:record=' .. sum
end

-- Whether a record was not added before: they come in the order of their numbers on this gateway.
local function is_next(counter, number)
  local last = tonumber(call('HGET', key('recorded'), counter)) or -1
  return number > last
end

-- Records of pushes.
function ops.record(number, hook, result, found_by, record)
  if not is_next(mine, number) then return 0 end
  local oldest = digits(now - batch.retention)
  local function add(stream, id, ...)
    stream = key(stream)
    id = call('XADD', stream, 'MINID', '~', oldest, id, ...)
    -- A stream that nothing is added to is not trimmed either.
    call('PEXPIRE', stream, digits(batch.retention))
    return id
  end
  local id = add('history', '*', 'r', record)
  call('HSET', key('recorded'), mine, digits(number))
  add('history:*', id, 'w', hook, 'o', result, 'k', found_by)
  local op, app, form, changed = unpack(names(found_by))
  for _, stream in ipairs({
    of_hook('*', result), of_hook(hook, ''), of_hook(hook, result),
    of_op(op), of_form(app, form), of_record(changed),
  }) do add(stream, id, '', '') end
  return 1
end

-- Records of missed changes: the newest of all gateways, so that who has calls missed cannot fill Redis.
function ops.miss(number, found_by, record)
  local counter = mine .. ' misses'
  if not is_next(counter, number) then return 0 end
  local stream = key('misses')
  call('XADD', stream, 'MAXLEN', '~', 10000, '*', 'r', record, 'w', '', 'o', 'f', 'k', found_by)
  call('XTRIM', stream, 'MINID', '~', digits(now - batch.retention))
  call('PEXPIRE', stream, digits(batch.retention))
  call('HSET', key('recorded'), counter, digits(number))
  return 1
end

-- Learns what the platform says of a form, from an answer to what was asked at this time or somewhat later.
-- `seen` is the version of what it was compared with: if there is another, it is told, to be compared
-- anew. 0 if what is known is younger than the question, or there is no room. `is_known` says whether
-- anything was known of what is learned: of what is new no answer is too old.
function ops.learn(form, seen, text, asked, is_known)
  local known = call('HGET', key('forms'), form)
  local version, at = string.match(known or '', '^(%d+) (%d+) ')
  if (tonumber(version) or 0) ~= seen then return {tonumber(version) or 0, known or ''} end
  if is_known == 1 and asked <= past(at) then return 0 end
  if not known and call('HLEN', key('forms')) >= 500 then return 0 end
  local more = #text - #(known or '')
  if (tonumber(call('GET', key('forms_bytes'))) or 0) + more > 4194304 then return 0 end
  call('INCRBY', key('forms_bytes'), more)
  version = call('INCR', key('forms_version'))
  call('HSET', key('forms'), form, version .. ' ' .. digits(now) .. ' ' .. text)
  call('ZADD', key('forms_index'), version, form)
  return {version}
end

-- What is new since a version, since the additions had a mark, and since the forms had a version. Who
-- wants to, and is the only gateway to, asks the platform about forms for so many milliseconds.
function ops.poll(version, mark, forms, asks)
  local answer = {
    version = tonumber(call('GET', key('version'))) or 0, webhooks = {}, failed = {}, notices = {},
    failed_bytes = tonumber(call('GET', key('failed_bytes'))) or 0,
  }
  -- What stumbles over a foreign value hides nothing else.
  local function part(look)
    local is_done, problem = pcall(look)
    if not is_done then answer.error = said(problem) end
  end
  part(function() answer.held = call('HLEN', key('waiting:' .. mine)) end)
  part(function()
    -- If it has gone back, what was known before is worth nothing.
    local since = version > answer.version and '-inf' or '(' .. digits(version)
    for _, id in ipairs(call('ZRANGEBYSCORE', key('webhooks'), since, '+inf')) do
      local state = webhook(id)
      state[5] = id
      answer.webhooks[#answer.webhooks + 1] = state
    end
  end)
  part(function()
    local counts = call('HGETALL', key('failed_count'))
    for at = 1, #counts, 2 do answer.failed[#answer.failed + 1] = {counts[at], tonumber(counts[at + 1]) or 0} end
  end)
  part(function()
    local held = call('HGETALL', key('notices'))
    for at = 1, #held, 2 do
      local hook, kind = string.match(held[at], '^(.*) (%d)$')
      local count = hook and notice(hook, kind, 0)
      if count then answer.notices[#answer.notices + 1] = {hook, tonumber(kind), count} end
    end
  end)
  part(function()
    local current = call('GET', key('additions_mark')) or ''
    if current ~= mark then
      answer.mark, answer.additions = current, call('GET', key('additions')) or ''
    end
  end)
  part(function()
    answer.forms_version = tonumber(call('GET', key('forms_version'))) or 0
    local since = forms > answer.forms_version and '-inf' or '(' .. digits(forms)
    local new = call('ZRANGEBYSCORE', key('forms_index'), since, '+inf')
    for at, form in ipairs(new) do new[at] = {form, call('HGET', key('forms'), form) or ''} end
    answer.forms = new
  end)
  part(function()
    local other = call('GET', key('asker'))
    if asks > 0 and (not other or other == mine) then
      call('SET', key('asker'), mine, 'PX', digits(asks))
      answer.asks = 1
    end
  end)
  return answer
end

-- Sets the additions, unless they were changed meanwhile: then what they are now.
function ops.set_additions(before, mark, additions)
  local current = call('GET', key('additions_mark')) or ''
  if current ~= before then return {current, call('GET', key('additions')) or ''} end
  call('SET', key('additions'), additions)
  call('SET', key('additions_mark'), mark)
  return 1
end

-- Takes over pushes that are nobody's: what the admin wants to be tried again, and what gateways
-- had whose lease is over. `reaps` says whether leases may be judged. 0 if another worker speaks for
-- this gateway meanwhile: it would not look for what is claimed after it has looked.
function ops.claim(count, bytes, reaps)
  if call('HGET', key('speakers'), mine) ~= batch.session then return 0 end
  if reaps == 1 then
    for _, gateway in ipairs(call('ZRANGEBYSCORE', key('gateways'), '-inf', '(' .. digits(now), 'LIMIT', 0, 100)) do
      if gateway ~= mine then
        call('ZREM', key('gateways'), gateway)
        call('HDEL', key('recorded'), gateway)
        call('HDEL', key('speakers'), gateway)
        call('ZADD', key('dead'), now, gateway)
        call('SADD', key('orphaned'), gateway)
      end
    end
    call('ZREMRANGEBYSCORE', key('dead'), '-inf', digits(now - 86400000))
  end
  local owners = call('SMEMBERS', key('orphaned'))
  owners[#owners + 1] = ''
  local found = {}
  local function take_from(owner)
    local waiting = key('waiting:' .. owner)
    while count > 0 and bytes > 0 and call('HLEN', waiting) > 0 do
      local id = call('HRANDFIELD', waiting)
      local push = call('HGET', waiting, id)
      if not fits(push) then return end
      call('HSET', key('waiting:' .. mine), id, push)
      call('HDEL', waiting, id)
      found[#found + 1] = {id, push}
      count, bytes = count - 1, bytes - #push
    end
    if owner ~= '' and call('HLEN', waiting) == 0 then call('SREM', key('orphaned'), owner) end
  end
  -- What stumbles over a foreign value keeps nobody from the pushes of the others.
  for _, owner in ipairs(owners) do pcall(take_from, owner) end
  return found
end

-- The ids of all that this gateway has to send, for the worker that speaks for it from now on.
function ops.held()
  call('HSET', key('speakers'), mine, batch.session)
  return call('HKEYS', key('waiting:' .. mine))
end

-- Pushes of this gateway, by id: a worker may have claimed them and crashed. A 0 at the end says that
-- they are not all.
function ops.reclaim(ids)
  local found = {}
  for _, id in ipairs(ids) do
    local push = call('HGET', key('waiting:' .. mine), id)
    if push then
      if not fits(push) then
        found[#found + 1] = 0
        break
      end
      found[#found + 1] = {id, push}
    end
  end
  return found
end

-- Gives back what was claimed and could not be read or kept.
function ops.unclaim(id)
  local push = call('HGET', key('waiting:' .. mine), id)
  if not push then return 0 end
  call('HDEL', key('waiting:' .. mine), id)
  call('HSET', key('waiting:'), id, push)
  return 1
end

-- Takes out for good what cannot be read.
function ops.discard(id)
  return call('HDEL', key('waiting:' .. mine), id)
end

-- Has failed pushes tried again, by whichever gateway claims them. How many, and whether to go on.
function ops.retry(ids, hook, limit)
  local count = 0
  local chosen = selected(ids, hook, limit)
  for _, id in ipairs(chosen) do
    local _, _, _, push = read_failed(id)
    if push then
      call('HSET', key('waiting:'), id, push)
      count = count + 1
    end
    take_failed(id)
  end
  return {count, ids == cjson.null and #chosen == limit and 1 or 0}
end

-- Gives failed pushes up. Which, and whether to go on.
function ops.abandon(ids, hook, limit)
  local given_up = {}
  local chosen = selected(ids, hook, limit)
  for _, id in ipairs(chosen) do
    if not fits(read_failed(id) or '') then return {given_up, 1} end
    given_up[#given_up + 1] = (take_failed(id))
  end
  return {given_up, ids == cjson.null and #chosen == limit and 1 or 0}
end

-- A page of the failed cache: the pushes, and the cursor to go on from.
function ops.failed(hook, cursor, limit)
  local members = failed_members(hook, cursor, limit + 1)
  local pushes = {}
  for at = 1, math.min(limit, #members) do
    local _, _, _, push = read_failed(string.sub(members[at], 17))
    if push and not fits(push) then return {pushes, members[at - 1]} end
    pushes[#pushes + 1] = push
  end
  return {pushes, #members > limit and members[limit] or ''}
end

-- A push of the failed cache.
function ops.failed_one(id)
  local _, _, _, push = read_failed(id)
  return push or 0
end

-- Whether an entry of a stream is older than another.
local function is_older(id, than)
  local time, number = string.match(id, '^(%d+)-(%d+)$')
  local other_time, other_number = string.match(than, '^(%d+)-(%d+)$')
  time, other_time = tonumber(time), tonumber(other_time)
  if time ~= other_time then return time < other_time end
  return tonumber(number) < tonumber(other_number)
end

-- Walks a stream from its newest entry to its oldest. `read` gives the record of an entry, or nil for one
-- that is not wanted; `budget` has how many entries may be looked at, of all walks.
local function walk(stream, cursor, last, first, size, budget, read)
  local self = {cursor = cursor}
  local part, at, is_over = {}, 0, false
  if cursor ~= '' then last = '(' .. cursor end
  -- The next record, which stays the next until it is taken; nil if there is none, or no look is left.
  function self.head()
    while not self.record and not is_over do
      if at == #part then
        if budget.looks <= 0 then
          budget.is_cut = true
          return nil
        end
        -- Half of the looks that are left, so that the other walk gets on, too.
        local count = math.min(size, math.ceil(budget.looks / 2))
        part, at = call('XREVRANGE', stream, last, first, 'COUNT', count), 0
        if #part == 0 then
          is_over = true
          return nil
        end
        last = '(' .. part[#part][1]
        budget.looks = budget.looks - #part
      end
      at = at + 1
      self.id, self.record = part[at][1], read(part[at])
      if not self.record then self.cursor = self.id end
    end
    return self.record
  end
  function self.take()
    local record = self.record
    self.cursor, self.record = self.id, nil
    return record
  end
  return self
end

-- A page of the history, newest first: {reference, record} each, and the cursor to go on from.
-- `found_by` has what the four names of a record have to be; the empty one is any. With one of
-- them so many records are looked at and no more: Redis does nothing else meanwhile.
function ops.history(hook, result, found_by, from, to, cursor, limit, looks)
  local op, app, form, changed = unpack(found_by)
  local is_filtered = op .. app .. form .. changed ~= ''
  local all = key('history:*')
  local stream = all
  -- The one that has the fewest of those that are not wanted.
  if changed ~= '' then stream = key(of_record(changed))
  elseif app ~= '' and form ~= '' then stream = key(of_form(app, form))
  elseif hook ~= cjson.null then stream = key(of_hook(hook, result))
  elseif op ~= '' then stream = key(of_op(op))
  elseif result ~= '' then stream = key(of_hook('*', result)) end
  local function is_wanted(of)
    if hook ~= cjson.null and of.w ~= hook or result ~= '' and of.o ~= result then return false end
    for at, name in ipairs(names(of.k or '')) do
      local wanted = found_by[at] or ''
      if wanted ~= '' and wanted ~= name then return false end
    end
    return true
  end
  local function fields_of(entry)
    local of, fields = {}, entry[2]
    for at = 1, #fields, 2 do of[fields[at]] = fields[at + 1] end
    return of
  end
  local function read_push(entry)
    local id = entry[1]
    if is_filtered then
      if stream ~= all then entry = call('XRANGE', all, id, id)[1] end
      if not entry or not is_wanted(fields_of(entry)) then return nil end
    end
    local record = call('XRANGE', key('history'), id, id)[1]
    return record and record[2][2]
  end
  local function read_miss(entry)
    local of = fields_of(entry)
    return is_wanted(of) and of.r or nil
  end
  local of_pushes, of_misses = string.match(cursor, '^([^_]*)_m?([^_]*)$')
  local last, first = to > 0 and digits(to - 1) or '+', from > 0 and digits(from) or '-'
  local size = is_filtered and 500 or limit + 1
  local budget = {looks = looks}
  local pushes = walk(stream, of_pushes or '', last, first, size, budget, read_push)
  local misses = walk(key('misses'), of_misses or '', last, first, size, budget, read_miss)
  local found = {}
  while true do
    local push, miss = pushes.head(), misses.head()
    -- What could not be looked at may be newer than what was found.
    if budget.is_cut or #found == limit and (push or miss) then
      return {found, pushes.cursor .. '_' .. misses.cursor}
    end
    if not push and not miss then return {found, ''} end
    if push and not (miss and is_older(pushes.id, misses.id)) then
      found[#found + 1] = {pushes.id, pushes.take()}
    else
      found[#found + 1] = {'m' .. misses.id, misses.take()}
    end
  end
end

-- A record by its reference.
function ops.history_one(reference)
  local miss = string.match(reference, '^m(.*)$')
  local stream, id = key(miss and 'misses' or 'history'), miss or reference
  local record = call('XRANGE', stream, id, id)[1]
  return record and record[2][2] or 0
end

---------------------------------------------------------------------------------------------------
-- A session sends its batches one after the other, numbered from 1. So a batch that comes twice is
-- done once, and one that was overtaken is not done at all. Each answer says to which batch it is:
-- Webdis may hand one to who connects after its caller gave up.

local function answer(content)
  content.echo = batch.echo
  content.now = digits(now)
  return cjson.encode(content)
end

local session = batch.session and key('session:' .. batch.session)
if session then
  local known = call('HMGET', session, 'number', 'answer')
  local last = tonumber(known[1]) or 0
  if last == batch.number then return known[2] end
  if last > batch.number then return answer({error = 'late'}) end
  -- Redis has lost what it was told before, so perhaps that a push was delivered, which its worker has
  -- forgotten: whoever speaks for this gateway has to look for it.
  if last < batch.number - 1 then
    call('HDEL', key('speakers'), mine)
    return answer({error = 'forgotten'})
  end
  -- The lease was over, and others have taken the pushes.
  if call('ZSCORE', key('dead'), mine) then return answer({error = 'reaped'}) end
  call('ZADD', key('gateways'), digits(now + batch.lease), mine)
  -- The worker before may have been told so, and have crashed. Not earlier: after a first write Redis
  -- refuses no other, however full it is.
  if last == 0 then call('HDEL', key('speakers'), mine) end
end

local results = {}
for at, op in ipairs(batch.ops) do
  -- What stumbles over a foreign value must not keep the others from being done. What Redis refuses
  -- at the moment it refuses before anything was written, and the whole batch comes again.
  local is_done, result = pcall(ops[op[1]], unpack(op, 2))
  if not is_done then
    local text = said(result)
    for _, refusal in ipairs({'OOM', 'READONLY', 'MISCONF', 'NOREPLICAS'}) do
      if string.find(text, refusal, 1, true) then error({err = text}) end
    end
    result = 'error ' .. text
  end
  results[at] = result
end
local text = answer({results = results, dropped = dropped})
if session then
  call('HSET', session, 'number', batch.number, 'answer', text)
  call('PEXPIRE', session, 86400000)
end
return text
