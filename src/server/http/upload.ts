/** Reads one uploaded file out of multipart/form-data (RFC 7578), bounded in bytes and in parts. */
import { GatewayError, invalidField } from '../errors.ts'
import { readBytes } from './body.ts'
import type { GatewayContext } from './context.ts'

export type UploadDescription = {
  /** The name of the one part. */
  field: string
  maxBytes: number
  /** What the file may be, for the description; the handler looks at the bytes. */
  accept: readonly string[]
}

/** Boundaries and headers of the part, generously. */
const ENVELOPE_BYTES = 4096
const LINE_END = '\r\n'

/**
 * The file's bytes; its name and declared type are the sender's words and are not read. Throws A0415, A0413 or A0400 on the field.
 *
 * By hand, since Response.formData() builds an object for each part: two megabytes of empty parts keep it, and with it the whole
 * process, busy for most of a second. This looks for one part and refuses the second.
 */
export async function readUpload(c: GatewayContext, { field, maxBytes }: UploadDescription): Promise<Buffer> {
  const boundary = boundaryOf(c.req.header('content-type') ?? '')
  if (boundary === undefined) throw new GatewayError('A0415')
  const file = onlyPart(await readBytes(c, maxBytes + ENVELOPE_BYTES), boundary, field)
  if (!file) throw invalidField(field, `must be the only part of the form, as a file named "${field}"`)
  if (file.length > maxBytes) throw new GatewayError('A0413')
  if (file.length === 0) throw invalidField(field, 'is empty')
  return file
}

/** RFC 2046 section 5.1.1: 1 to 70 characters of a small set. */
function boundaryOf(contentType: string): string | undefined {
  if (!/^multipart\/form-data\s*;/i.test(contentType)) return undefined
  const [, quoted, plain] =
    /;\s*boundary=(?:"([\w'()+,./:=? -]{0,69}[\w'()+,./:=?-])"|([\w'()+,./:=?-]{1,70}))\s*(?:;|$)/i.exec(contentType) ??
    []
  return quoted ?? plain
}

/** The content of the only part, where it has this name; undefined for anything else. */
function onlyPart(body: Buffer, boundary: string, field: string): Buffer | undefined {
  const opening = `--${boundary}${LINE_END}`
  if (body.toString('latin1', 0, opening.length) !== opening) return undefined
  const headersEnd = body.indexOf(LINE_END + LINE_END)
  if (headersEnd < 0 || headersEnd > ENVELOPE_BYTES) return undefined
  if (nameOf(body.toString('latin1', opening.length, headersEnd)) !== field) return undefined
  const start = headersEnd + 2 * LINE_END.length
  const delimiter = `${LINE_END}--${boundary}`
  const end = body.indexOf(delimiter, start)
  // After the first delimiter only `--` may follow: it closes the form. Anything else is a second part.
  const closing = body.toString('latin1', end + delimiter.length, end + delimiter.length + 2)
  return end >= 0 && closing === '--' ? body.subarray(start, end) : undefined
}

/** The `name` of the part's Content-Disposition (RFC 7578 section 4.2). */
function nameOf(headers: string): string | undefined {
  const [, parameters = ''] = /^content-disposition:\s*form-data\s*(;.*)$/im.exec(headers) ?? []
  const [, quoted, plain] = /;\s*name=(?:"([^"]*)"|([^\s;"]+))/i.exec(parameters) ?? []
  return quoted ?? plain
}
