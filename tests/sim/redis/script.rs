//! Lua as a script sees it in Redis.

use super::data::{Bytes, Data, Reply};
use mlua::{Function, Lua, LuaOptions, LuaString, MultiValue, StdLib, Value, chunk::ChunkMode};
use serde_json::Value as Json;
use sha1::{Digest as _, Sha1};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::rc::Rc;

/// Errors have to come from Lua, so that a script that catches them sees what Redis shows it.
/// JSON is written here and not in Rust because what a table is, and in what order, is up to Lua.
const PRELUDE: &str = r##"
local command, decode, quoted, null = ...
local format, concat, next, type, error = string.format, table.concat, next, type, error

redis = {}
function redis.call(...)
  local reply, refusal = command(...)
  if refusal then error({err = refusal}, 0) end
  return reply
end

local function fail(why) error('Cannot serialise ' .. why, 0) end

-- 0 if it is no array.
local function array_length(value)
  local max, items = 0, 0
  for key in next, value do
    if type(key) ~= 'number' or key < 1 or key % 1 ~= 0 then return 0 end
    max, items = math.max(max, key), items + 1
  end
  if max > items * 2 and max > 10 then fail('table: excessively sparse array') end
  return max
end

local function encode(value)
  local kind = type(value)
  if kind == 'string' then return quoted(value) end
  if kind == 'number' then
    if value - value ~= 0 then fail('number: must not be NaN or Inf') end
    return format('%.14g', value)
  end
  if kind == 'boolean' then return value and 'true' or 'false' end
  if kind == 'nil' or value == null then return 'null' end
  if kind ~= 'table' then fail(kind .. ': type not supported') end
  local length, parts = array_length(value), {}
  for at = 1, length do parts[at] = encode(value[at]) end
  if length > 0 then return '[' .. concat(parts, ',') .. ']' end
  for key, item in next, value do
    parts[#parts + 1] = quoted(tostring(key)) .. ':' .. encode(item)
  end
  return '{' .. concat(parts, ',') .. '}'
end

cjson = {null = null, encode = encode}
function cjson.decode(text)
  local value, failure = decode(text)
  if failure then error(failure, 2) end
  return value
end

KEYS, ARGV = {}, {}
setmetatable(_G, {
  __index = function(_, name)
    error('Script attempted to access nonexistent global variable \'' .. name .. '\'', 2)
  end,
  __newindex = function() error('Attempt to modify a readonly table', 2) end,
})

return function(script, key, argument)
  KEYS[1], ARGV[1] = key, argument
  local is_done, result = pcall(script)
  if is_done then return result end
  return nil, type(result) == 'table' and result.err or 'ERR ' .. tostring(result)
end
"##;

pub struct Scripts {
    lua: Lua,
    run: Function,
    /// By SHA-1. One that was forgotten need not be compiled again.
    compiled: RefCell<HashMap<String, Function>>,
    loaded: RefCell<HashSet<String>>,
}

impl Scripts {
    pub fn new(data: &Rc<RefCell<Data>>) -> Self {
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new()).unwrap();
        let data = Rc::clone(data);
        let command = lua.create_function(move |lua, args: MultiValue| {
            Ok(match command(&mut data.borrow_mut(), &args) {
                Ok(reply) => (to_lua(lua, reply)?, None),
                Err(refusal) => (Value::Nil, Some(refusal)),
            })
        });
        let decode = lua.create_function(|lua, text: LuaString| {
            Ok(match decode(lua, &text.as_bytes()) {
                Ok(value) => (value, None),
                Err(failure) => (Value::Nil, Some(failure)),
            })
        });
        let quoted =
            lua.create_function(|lua, text: LuaString| lua.create_string(quoted(&text.as_bytes())));
        let functions = (command.unwrap(), decode.unwrap(), quoted.unwrap());
        let prelude = lua.load(PRELUDE).set_name("=prelude");
        let run = prelude.call((functions.0, functions.1, functions.2, Value::NULL)).unwrap();
        Scripts { lua, run, compiled: RefCell::default(), loaded: RefCell::default() }
    }

    pub fn load(&self, text: &[u8]) -> Result<String, String> {
        let sha: String = Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut compiled = self.compiled.borrow_mut();
        if !compiled.contains_key(&sha) {
            let chunk = self.lua.load(text).set_name("@user_script").set_mode(ChunkMode::Text);
            let function = chunk.into_function();
            let function = function
                .map_err(|error| format!("ERR Error compiling script (new function): {error}"))?;
            compiled.insert(sha.clone(), function);
        }
        self.loaded.borrow_mut().insert(sha.clone());
        Ok(sha)
    }

    pub fn forget(&self) {
        self.loaded.borrow_mut().clear();
    }

    /// What a script answers to one key and one argument.
    pub fn run(&self, sha: &str, key: &[u8], argument: &[u8]) -> Result<Option<Vec<u8>>, String> {
        if !self.loaded.borrow().contains(sha) {
            return Err("NOSCRIPT No matching script. Please use EVAL.".into());
        }
        let compiled = self.compiled.borrow();
        let text = |bytes| self.lua.create_string(bytes).unwrap();
        let answer = self.run.call((&compiled[sha], text(key), text(argument)));
        match answer.unwrap() {
            (_, Some(error)) => {
                let error: LuaString = error;
                Err(format!("{} script: {sha}, on @user_script.", error.to_string_lossy()))
            }
            (Value::String(answer), None) => Ok(Some(answer.as_bytes().to_vec())),
            (Value::Nil | Value::Boolean(false), None) => Ok(None),
            (other, None) => panic!("a script that answers with {other:?}"),
        }
    }
}

fn command(data: &mut Data, args: &MultiValue) -> Result<Reply, String> {
    let args = args.iter().map(|value| match value {
        Value::String(text) => Ok(Bytes::from(&*text.as_bytes())),
        Value::Integer(number) => Ok(number.to_string().into_bytes().into()),
        Value::Number(number) => panic!("a script that gives Redis {number}, which is not whole"),
        _ => Err("ERR Lua redis lib command arguments must be strings or integers"),
    });
    let args: Vec<Bytes> = args.collect::<Result<_, _>>()?;
    let (name, args) = args.split_first().ok_or("ERR Please specify at least one argument")?;
    data.call(name, args)
}

fn to_lua(lua: &Lua, reply: Reply) -> mlua::Result<Value> {
    Ok(match reply {
        Reply::Nothing => Value::Boolean(false),
        Reply::Number(number) => Value::Number(number as f64),
        Reply::Text(text) => Value::String(lua.create_string(text)?),
        Reply::Done => Value::Table(lua.create_table_from([("ok", "OK")])?),
        Reply::List(replies) => {
            let replies = replies.into_iter().map(|reply| to_lua(lua, reply));
            Value::Table(lua.create_sequence_from(replies.collect::<mlua::Result<Vec<_>>>()?)?)
        }
    })
}

/// A string in JSON as lua-cjson writes it.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut json = Vec::with_capacity(text.len() * 5 / 4 + 2);
    json.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'/' | b'\\' => json.extend([b'\\', *byte]),
            8 => json.extend(b"\\b"),
            b'\t' => json.extend(b"\\t"),
            b'\n' => json.extend(b"\\n"),
            12 => json.extend(b"\\f"),
            b'\r' => json.extend(b"\\r"),
            0..32 | 127 => write!(json, "\\u{byte:04x}").unwrap(),
            byte => json.push(*byte),
        }
    }
    json.push(b'"');
    json
}

/// Reads JSON as lua-cjson does, but for text that is not UTF-8: the gateways send none.
fn decode(lua: &Lua, text: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(text).expect("batches are UTF-8");
    let json = serde_json::from_str(text);
    let json = json.map_err(|error| format!("Expected value but found {error}"))?;
    Ok(json_to_lua(lua, json).unwrap())
}

fn json_to_lua(lua: &Lua, json: Json) -> mlua::Result<Value> {
    Ok(match json {
        Json::Null => Value::NULL,
        Json::Bool(value) => Value::Boolean(value),
        Json::Number(number) => Value::Number(number.as_f64().unwrap()),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let items = items.into_iter().map(|item| json_to_lua(lua, item));
            Value::Table(lua.create_sequence_from(items.collect::<mlua::Result<Vec<_>>>()?)?)
        }
        Json::Object(members) => {
            let table = lua.create_table_with_capacity(0, members.len())?;
            for (name, member) in members {
                table.raw_set(name, json_to_lua(lua, member)?)?;
            }
            Value::Table(table)
        }
    })
}
